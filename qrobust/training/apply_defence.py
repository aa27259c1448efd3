"""Puts a defence into a float model that was built without one."""

from typing import Any

import keras

from qrobust.layers import (
    BatchNormalization,
    GridNoise,
    JacobianRegularized,
    WeightDistribution,
)
from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.units import find_units
from tflite_export.keras_private import built_shape, walk

_DRAWN = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def defend(
    model: Any,
    *,
    sigma: float = 0.0,
    jacobian: float = 0.0,
    spread: float = 0.0,
    entropy: float = 0.0,
    noise: Any = None,
    exponent: int = 0,
    minimum: int = 0,
    maximum: int = 255,
    seed: int | None = None,
) -> Any:
    """The same function, with integer noise on the input and a penalty on every linear layer.

    With a penalty, a linear layer, its batch norm and its ReLU become one layer, whose Jacobian is
    that of all three: ``phi'(z) * gamma / sqrt(variance) * W``. A penalty on W alone would be
    undone by the batch norm behind it.

    Args:
        model: a float Sequential or Functional model of one input; its layers are shared, but
            for batch norms, whose copies train faster, and for those with a penalty.
        sigma: of the input noise in LSB; 0 for none.
        jacobian: weight of the per-layer Jacobian penalty; 0 for none.
        spread: that the distribution of every weight starts with (``WeightDistribution``), as a
            share of its kernel's root mean square; 0 for fixed weights.
        entropy: weight of those distributions' entropy.
        noise: the layer on the input, ``SplitNoise`` or ``BandNoise``; by default ``GridNoise``
            of sigma, exponent, minimum, maximum and seed, which another layer has itself.
        exponent: log2 of the input's step, in the model's units.
        minimum: smallest input, in LSB.
        maximum: largest input, in LSB.
        seed: of the noise.

    Returns:
        A Functional model, not compiled, from integers to what the model gives.

    Raises:
        ExportError: the model has no recorded graph.
        ValueError: a negative sigma or weight, a penalty on a layer that runs twice, a penalty
            beside a spread, or an entropy without one.
    """
    if (spread and jacobian) or (entropy and not spread):
        raise ValueError(
            f"Weights are drawn (spread) or their Jacobian is penalized, and entropy goes with a "
            f"spread. Received: spread={spread}, entropy={entropy}, jacobian={jacobian}"
        )
    (old,) = model.inputs
    inputs = keras.Input(old.shape[1:], name=old.name)
    if noise is None:
        noise = GridNoise(
            sigma, exponent=exponent, minimum=minimum, maximum=maximum, seed=seed, name="noise"
        )
    elif sigma or not isinstance(noise, INPUT_NOISES):
        known = ", ".join(kind.__name__ for kind in INPUT_NOISES)
        raise ValueError(
            f"noise is a layer, {known}, and sigma is then 0. Received: {noise!r}, sigma={sigma}"
        )

    found = find_units(model, shared=True) if jacobian else []
    for unit in found:
        if unit.runs > 1:
            raise ValueError(
                f"Layer '{unit.linear.name}' runs {unit.runs} times, and a Jacobian penalty is on "
                f"layers that run once. Build a layer for each run, or give jacobian=0."
            )
    units = {id(unit.linear): unit for unit in found if unit.wrapper is None}
    absorbed = {id(layer) for unit in units.values() for layer in (unit.norm, unit.relu)}

    copies: dict[int, Any] = {}

    def drawn(layer: Any) -> Any:
        if id(layer) not in copies:  # runs of a shared layer share its distribution
            own = None if seed is None else seed + len(copies) + 1
            copies[id(layer)] = WeightDistribution(layer, spread, entropy=entropy, seed=own)
        return copies[id(layer)]

    def visit(layer: Any, tensors: Any) -> Any:
        unit = units.get(id(layer))
        if unit is not None:
            own = unit.float_layer()
            y = JacobianRegularized(own, jacobian)(tensors[0])
            unit.copy_weights(own)
            return y
        if id(layer) in absorbed:
            return tensors[0]
        if type(layer) is keras.layers.BatchNormalization:
            if id(layer) not in copies:  # branches that share a norm share its copy
                copies[id(layer)] = _faster(layer)
            layer = copies[id(layer)]
        if spread and type(layer) in _DRAWN:
            layer = drawn(layer)
        return layer(tensors[0] if len(tensors) == 1 else list(tensors))

    (output,) = walk(model, [noise(inputs)], visit)
    return keras.Model(inputs, output, name=model.name)


def _faster(norm: Any) -> Any:
    copy = BatchNormalization.from_config(norm.get_config())
    copy.build(built_shape(norm))
    copy.set_weights(norm.get_weights())
    return copy
