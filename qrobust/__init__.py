"""Robust, deeply quantized Keras models, certified on the device that runs them.

Public names load when first used, so that ``import qrobust`` costs nothing and a device that only
certifies never loads Keras. Where Keras is loaded, before or after, ``keras.models.load_model``
finds every layer and quantizer of a saved network.
"""

from __future__ import annotations

from qrobust.keras_names import register as _register
from qrobust.version import __version__ as __version__

# Type checkers take the name for typing's, which costs more than all else here: until this module
# is imported, Ctrl-C is Python's own, with a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGES = (
    "architectures",
    "attacks",
    "audio",
    "baselines",
    "callbacks",
    "certify",
    "corruptions",
    "datasets",
    "ensembles",
    "layers",
    "quantization",
    "quantizers",
    "training",
    "verify",
)
_HOMES = {
    "adopt": "qrobust.quantization",
    "FloatCertifier": "qrobust.certify",
    "keras_certifier": "qrobust.baselines.keras_certifier",
    "load_legacy": "qrobust.quantization",
    "quantize": "qrobust.quantization",
    "SoundCertifier": "qrobust.baselines.sound_certifier",
    "summary": "qrobust.quantization",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"qrobust.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted((*_PACKAGES, *_HOMES, "__version__"))


_register()
