"""What ``quantize`` refuses before it begins, and what its result must pass."""

from typing import Any

import keras
import numpy as np

from qrobust.quantization.graph import WRAPPERS, inner_model
from tflite_export.errors import ExportError
from tflite_export.keras_private import functional, is_model, layers_inside, nodes

_EXACT_BITS = 6
# Layers whose data format does nothing in inference, or is exported as it is.
_VANISHING = ("Dropout", "Flatten", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise")


def check_float_model(model: Any) -> None:
    """Refuse, by name, what has no meaning on a grid.

    Raises:
        ValueError: open shapes, channels first, other types than float32, weights that are no
            finite numbers, a model that is quantized already.
    """
    if isinstance(model, keras.Model) and not is_model(model):
        raise ValueError(
            f"'{getattr(model, 'name', type(model).__name__)}' ({type(model).__name__}) records no "
            f"graph of layers. Build it as a Sequential or Functional model; the layers of a "
            f"subclassed one can be called on a keras.Input."
        )
    for tensor in functional(model).inputs:
        if None in tensor.shape[1:]:
            raise ValueError(
                f"Input '{tensor.name}' has the open shape {tuple(tensor.shape)}. Give every size: "
                f"a device allocates them all, and an average divides by their number."
            )
    for node in nodes(model):
        layer = node.operation
        inside = inner_model(layer)
        if is_model(inside):
            check_float_model(inside)
            continue
        _check_layer(layer if isinstance(layer, WRAPPERS) is False else layer.layer)


def _check_layer(layer: Any) -> None:
    kind = type(layer).__name__
    if type(layer).__module__.startswith("qkeras"):
        raise ValueError(
            f"Layer '{layer.name}' ({kind}) is quantized already. Export the model as it is, or "
            f"make a model of stock QKeras layers exact with qrobust.adopt(model)."
        )
    if getattr(layer, "data_format", None) == "channels_first" and kind not in _VANISHING:
        raise ValueError(
            f"Layer '{layer.name}' ({kind}) has data_format='channels_first'; devices keep "
            f"channels last. Build the model with data_format='channels_last'."
        )
    if getattr(layer, "padding", None) == "causal" and kind != "Conv1D":
        raise ValueError(
            f"Layer '{layer.name}' ({kind}) pads causally, which its QKeras twin cannot. Put "
            f"ZeroPadding1D((dilation_rate * (kernel_size - 1), 0)) in front, and padding='valid'."
        )
    policy = getattr(getattr(layer, "dtype_policy", None), "name", "float32")
    if policy != "float32":
        raise ValueError(
            f"Layer '{layer.name}' ({kind}) has the type policy '{policy}'; quantized twins are "
            f"made of float32 layers. Build the model with dtype='float32' and copy its weights."
        )
    for weight in getattr(layer, "weights", []):
        if not np.all(np.isfinite(np.asarray(weight))):
            raise ValueError(
                f"Layer '{layer.name}' ({kind}): its {weight.name} holds NaN or infinity, no "
                f"finite numbers. Train it again from finite weights."
            )


_LATER = " Or call quantize with exact=False to train the twin all the same."


def check_exports(twin: Any, *, what: str = "quantized twin", otherwise: str = _LATER) -> None:
    """See that a twin of exact weights exports.

    Args:
        twin: a quantized model.
        what: its name in the error.
        otherwise: the last sentence of the error.

    Raises:
        ValueError: it does not, as it is now; what ``export`` says.
    """
    from tflite_export import export

    holders = ("kernel_quantizer", "depthwise_quantizer")
    quantizers = [getattr(x, name, None) for x in layers_inside(twin) for name in holders]
    if any(getattr(quantizer, "bits", 0) > _EXACT_BITS for quantizer in quantizers):
        return
    try:
        export(twin)
    except ExportError as error:
        raise ValueError(f"The {what} would not export bit for bit: {error}{otherwise}") from None
