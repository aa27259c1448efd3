"""Other bit widths for a quantized model, in place: what progressive quantization needs."""

from typing import Any

from qrobust.quantization.bit_widths import BitsByName, BitWidths
from qrobust.quantization.compile_again import compile_again
from qrobust.quantization.twins import STOCHASTIC, relu_quantizer, weight_quantizer
from qrobust.quantizers import PowerOfTwoWeights, QuantizedRelu
from qrobust.quantizers.stochastic_weights import StochasticWeights
from qrobust.quantizers.weight_quantizer import WeightQuantizer
from tflite_export.keras_private import layers_inside

# QKeras layers call one attribute and keep the other to say that they have it.
_HOLDERS = ("kernel_quantizer", "depthwise_quantizer")
# The 8-bit quantizers that ``quantize`` puts in behind a layer are named after it.
_WIDE = "_quantizer"


def set_bits(
    model: Any,
    *,
    weight_bits: BitsByName | None = None,
    activation_bits: BitsByName | None = None,
) -> None:
    """Give the quantizers of a model other bit widths; weights and optimizer state stay.

    A weight's step follows from the weights, as ever. An activation keeps its range: fewer bits
    are coarser steps. The 8-bit quantizers of branches, averages and logits stay as they are.
    Functions that Keras has compiled for the model are compiled again when they run next, so this
    works between the epochs of a ``fit``. Give the model that is compiled, not one inside it.

    Args:
        model: what ``quantize`` returned, or a model around it.
        weight_bits: 2 to 8, "binary", "ternary" or "mean_ternary"; or ``{pattern: bits}`` by layer
            name, where layers that match no pattern stay. None: all stay.
        activation_bits: of ReLU outputs, 1 to 8; or by layer name. None: all stay.

    Raises:
        ValueError: bits that a layer cannot take, a pattern that matches no layer, or a model
            without such quantizers. Nothing has changed then.
    """
    changes = []
    weights, activations = _holders(model)
    for bits, holders, what, new in (
        (weight_bits, weights, "weight_bits", _other_weights),
        (activation_bits, activations, "activation_bits", _other_activation),
    ):
        if bits is None:
            continue
        if not holders:
            raise ValueError(
                f"Model '{model.name}' has no quantizers that {what} could change. Make it with "
                f"qrobust.quantize."
            )
        widths = BitWidths(bits, what)
        for layer, name in holders:
            wanted = widths.of(layer.name)
            if wanted is not None:
                changes.append((layer, name, new(layer, getattr(layer, name), wanted)))
        widths.check()
    for layer, name, quantizer in changes:
        _replace(layer, name, quantizer)
    compile_again(model)


def current_bits(model: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Bits of weights and of ReLU outputs, by layer name."""
    weights, activations = (
        {layer.name: getattr(layer, name).bits for layer, name in holders}
        for holders in _holders(model)
    )
    return weights, activations


def _holders(model: Any) -> tuple[list[tuple[Any, str]], list[tuple[Any, str]]]:
    """(layer, attribute) of all weight quantizers, then of the ReLU quantizers."""
    weights, activations = [], []
    for layer in layers_inside(model):
        for name in (*(f"{holder}_internal" for holder in _HOLDERS), *_HOLDERS):
            if isinstance(getattr(layer, name, None), WeightQuantizer | StochasticWeights):
                weights.append((layer, name))
                break
        relu = isinstance(getattr(layer, "activation", None), QuantizedRelu)
        if relu and not layer.name.endswith(_WIDE):
            activations.append((layer, "activation"))
    return weights, activations


def _other_weights(layer: Any, old: Any, bits: int | str) -> Any:
    if bits in STOCHASTIC:
        raise ValueError(
            f"Layer '{layer.name}': {bits} cannot be switched on later. Quantize the "
            f"model with it, or use '{STOCHASTIC[bits]}'."
        )
    scale = old.scale_from if isinstance(old, PowerOfTwoWeights) else "least_squares"
    try:
        return weight_quantizer(bits, scale, old.channel_axes)
    except ValueError as error:
        raise ValueError(f"Layer '{layer.name}': {error}") from None


def _other_activation(layer: Any, old: Any, bits: int | str) -> Any:
    try:
        return relu_quantizer(bits, old.integer, old.upper)
    except ValueError as error:
        raise ValueError(f"Layer '{layer.name}': {error}") from None


def _replace(layer: Any, name: str, quantizer: Any) -> None:
    setattr(layer, name, quantizer)
    plain = name.removesuffix("_internal")
    if plain != name:
        setattr(layer, plain, quantizer)
        layer.quantizers[0] = quantizer
