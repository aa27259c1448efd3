"""Which layers ``quantize`` knows, by what they do to a grid."""

from typing import Any

import keras

from qrobust.layers.input_noise import INPUT_NOISES
from tflite_export.lower import functions

_L = keras.layers
AVERAGES = (
    _L.AveragePooling1D,
    _L.AveragePooling2D,
    _L.GlobalAveragePooling1D,
    _L.GlobalAveragePooling2D,
)
#: Layers that move or pick values and so pass a quantizer's grid on, or wait for it.
MOVERS = (
    _L.MaxPooling1D,
    _L.MaxPooling2D,
    _L.GlobalMaxPooling1D,
    _L.GlobalMaxPooling2D,
    _L.Flatten,
    _L.Reshape,
    _L.Permute,
    _L.Cropping2D,
    _L.UpSampling2D,
    _L.ZeroPadding1D,
    _L.ZeroPadding2D,
    _L.Dropout,
    _L.SpatialDropout1D,
    _L.SpatialDropout2D,
    _L.GaussianNoise,
    _L.GaussianDropout,
    _L.AlphaDropout,
    _L.ActivityRegularization,
    _L.Identity,
    # Augmentation, which does nothing in inference.
    _L.RandomBrightness,
    _L.RandomContrast,
    _L.RandomCrop,
    _L.RandomFlip,
    _L.RandomRotation,
    _L.RandomTranslation,
    _L.RandomZoom,
)
KEPT = (*MOVERS, _L.Rescaling, *INPUT_NOISES)
_ADVICE = {
    "LayerNormalization": "use BatchNormalization, which folds into a kernel",
    "GroupNormalization": "use BatchNormalization, which folds into a kernel",
    "Multiply": "a product of two activations has no exact kernel; leave the gate out",
    "LSTM": "recurrent layers have no exact kernel; use Conv1D",
    "GRU": "recurrent layers have no exact kernel; use Conv1D",
    "SimpleRNN": "recurrent layers have no exact kernel; use Conv1D",
    "Bidirectional": "recurrent layers have no exact kernel; use Conv1D",
    "MultiHeadAttention": "a product of two activations has no exact kernel; use Conv1D",
    "Embedding": "one-hot vectors as input and a Dense layer are the same table",
    "TimeDistributed": "call the layer itself, Dense works at every place of a sequence",
    "SpectralNormalization": "take the layer out of it once it is trained",
    "Conv1DTranspose": "Reshape to pictures of height 1 and use Conv2DTranspose",
    "DepthwiseConv1D": "Reshape to pictures of height 1 and use DepthwiseConv2D",
    "UpSampling1D": "Reshape to pictures of width 1 and use UpSampling2D((size, 1))",
    "Cropping1D": "Reshape to pictures of width 1 and use Cropping2D",
    "Resizing": "resize the data before the model",
    "CenterCrop": "use Cropping2D",
    "GetItem": "use Cropping2D, or a linear layer that does not read the rest",
    "Masking": "pad the data with zeros",
    "Absolute": "relu(x) + relu(-x) is the same",
    "Lambda": "any function can hide in it; use layers",
}


def is_relu(layer: Any) -> bool:
    """Whether a layer is a ReLU, bounded above or not."""
    if isinstance(layer, _L.ReLU):
        return not (layer.negative_slope or layer.threshold)
    return isinstance(layer, _L.Activation) and functions.function_name(layer.activation) in (
        "relu",
        "relu6",
    )


def upper_clip(layer: Any) -> float | None:
    """Where a ReLU clips from above."""
    if isinstance(layer, _L.ReLU):
        return None if layer.max_value is None else float(layer.max_value)
    return 6.0 if functions.function_name(layer.activation) == "relu6" else None


def is_softmax(layer: Any) -> bool:
    """Whether a layer is a softmax or sigmoid, or ends in one."""
    return functions.is_final(layer)


def moves(layer: Any) -> bool:
    """Whether a layer passes values on as they are."""
    linear = isinstance(layer, _L.Activation) and (
        functions.function_name(layer.activation) == "linear"
    )
    return linear or isinstance(layer, MOVERS)


def no_twin(layer: Any, activation: Any = None) -> str:
    """Why a layer has no twin, and what to use instead."""
    kind = type(layer).__name__
    if isinstance(layer, _L.ReLU):
        return (
            f"Layer '{layer.name}': a ReLU with a threshold, or with negative_slope and max_value "
            f"both, has no exact integer form. Use a plain ReLU, or one of the two."
        )
    if activation is not None:
        name = getattr(activation, "__name__", activation)
        return (
            f"Layer '{layer.name}': the activation {name} has no exact integer form. Use "
            f"activation='relu', a ReLU layer or linear, or a softmax at the end."
        )
    advice = _ADVICE.get(kind, "build that part of the model from the layers listed in the docs")
    return f"Layer '{layer.name}' ({kind}) has no quantized twin: {advice}."
