"""Small quantized Keras models with random weights, and the check that they export exactly."""

import keras
import numpy as np
import qkeras

from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu, Ternary
from tflite_export import check_parity, export

L = keras.layers
Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
T = {"kernel_quantizer": Ternary(), "bias_quantizer": FixedPoint()}
SEPARABLE = {
    "depthwise_quantizer": Ternary((-2, -1)),
    "pointwise_quantizer": PowerOfTwoWeights(3),
    "bias_quantizer": FixedPoint(),
}
STOCK = {
    "kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1),
    "bias_quantizer": qkeras.quantized_bits(8, 2, 1, alpha=1),
}


def wide(integer=3):
    return qkeras.QActivation(QuantizedBits(8, integer))


def relu(bits=4, integer=1):
    return qkeras.QActivation(QuantizedRelu(bits, integer))


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if "variance" in kind:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(rng.normal(0, 0.4, variable.shape))
    return model


def sequence(shape, *layers):
    return randomized(keras.Sequential([keras.Input(shape), L.Rescaling(1 / 256), *layers]))


def random_inputs(model, count=100):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (count, *tensor.shape[1:])) for tensor in model.inputs]


def assert_exact(model, **options):
    exported = export(model, **options)
    parity = check_parity(model, exported, random_inputs(model))
    assert parity.is_exact, str(parity)
    return exported
