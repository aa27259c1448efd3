"""``import qrobust`` makes ``keras.models.load_model`` find our layers, and loads nothing for it.

A name stands in Keras's public registry, ``keras.saving.get_custom_objects()``, for each class that
a saved network of this package may hold, those of QKeras included. The first one that a file asks
for imports them all, and their decorators put the classes themselves in the place of the names.
Where Keras is not loaded yet, that waits until it is: a finder of modules looks out for it. It
imports nothing at that moment either, so it can interrupt no import that is under way.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's, without its import: see qrobust
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# A test compares both with what the packages register.
_OURS = (
    "AblationNoise BandNoise BatchNormalization Binary BoundarySamples Consistency Conv2DBatchNorm "
    "DenseBatchNorm DepthwiseConv2DBatchNorm Distillation FixedPoint GridNoise "
    "IntegerGlobalAveragePooling2D IntervalBounds JacobianRegularized Macer MeanTernary OfOneValue "
    "PowerOfTwoWeights QuantizedBits QuantizedRelu SmoothAdversarial SplitNoise "
    "StochasticMeanTernary StochasticTernary Tabulated Ternary WeightDistribution"
)
_QKERAS = (
    "Clip QActivation QAdaptiveActivation QAveragePooling2D QBatchNormalization QBidirectional "
    "QConv1D QConv2D QConv2DBatchnorm QConv2DTranspose QDense QDepthwiseConv2D "
    "QDepthwiseConv2DBatchnorm QDepthwiseConv2DTranspose QGRU QGRUCell QGlobalAveragePooling2D "
    "QInitializer QLSTM QLSTMCell QScaleShift QSeparableConv1D QSeparableConv2D "
    "QSeparableConv2DTranspose QSimpleRNN QSimpleRNNCell bernoulli binary quantized_bits "
    "quantized_hswish quantized_linear quantized_po2 quantized_relu quantized_relu_po2 "
    "quantized_sigmoid quantized_tanh quantized_ulaw stochastic_binary stochastic_ternary ternary"
)
NAMES = (
    *(f"qrobust>{name}" for name in _OURS.split()),
    *(f"qkeras>{name}" for name in _QKERAS.split()),
)


class Waiting:
    """Stands for a class until a file asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def from_config(self, config: Any) -> Any:
        """What the class itself makes of its config.

        Raises:
            ModuleNotFoundError: QKeras is not installed.
            ValueError: the installed packages have no such class any more.
        """
        import keras
        import qkeras  # noqa: F401

        import qrobust.layers
        import qrobust.quantizers  # noqa: F401

        # Not get_registered_object: while a file is read it asks a copy made before the imports.
        found = keras.saving.get_custom_objects().get(self.name)
        if found is None or isinstance(found, Waiting):
            raise ValueError(f"no class is registered as '{self.name}'; install the release of it")
        return found.from_config(config)


class _KerasFinder:
    """Finds nothing itself; registers the names once Keras has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the other finders find Keras, and add to what loading it does."""
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        loader: Any = spec.loader if spec is not None else None
        if loader is None:
            sys.meta_path.insert(0, self)  # not installed: perhaps later
            return spec
        execute = loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            _register(module)

        loader.exec_module = execute_and_register
        return spec


def register() -> None:
    """Register the names now where Keras is loaded, and else as soon as it is."""
    keras = sys.modules.get("keras")
    if keras is not None:
        _register(keras)
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _register(keras: ModuleType) -> None:
    saving = getattr(keras, "saving", None)
    if saving is None:
        return  # half imported, or not the Keras we know
    known = saving.get_custom_objects()
    for name in NAMES:
        known.setdefault(name, Waiting(name))
