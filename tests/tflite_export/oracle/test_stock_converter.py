"""Our file against the one that TensorFlow's converter writes: the same integers on XNNPACK."""

import keras
import numpy as np
import pytest
import qkeras
from ai_edge_litert.interpreter import Interpreter

import qrobust
import tflite_export
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu
from tflite_export import reference, runtimes

from .stock_converter import REBUILD, convert

L = keras.layers


def every_operator():
    """A residual network with each operator, clip and geometry that the integer graph knows."""
    q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint(8)}
    depthwise = qkeras.QDepthwiseConv2D(
        3,
        depth_multiplier=2,
        depthwise_quantizer=PowerOfTwoWeights(5, channel_axes=(-2, -1)),
        bias_quantizer=FixedPoint(8),
        activation=QuantizedBits(4, 0),  # a fused RELU_N1_TO_1
    )
    inputs = keras.Input((11, 9, 2))
    x = L.Rescaling(1 / 256)(inputs)
    x = qkeras.QConv2D(6, 3, strides=(2, 1), activation=QuantizedRelu(4, 1), **q)(x)
    y = depthwise(L.ZeroPadding2D(((1, 1), (0, 2)))(x))
    # A MAXIMUM clips this one: no fused activation means -4.
    clipped = QuantizedBits(6, 2)
    y = qkeras.QConv2D(6, 3, padding="same", dilation_rate=2, activation=clipped, **q)(y)
    x = L.Add()([L.MaxPooling2D((2, 3), strides=(1, 1), padding="same")(x), y])
    x = qkeras.QActivation(QuantizedRelu(3, 2))(x)
    upsampled = L.UpSampling2D((5, 7))(L.GlobalMaxPooling2D(keepdims=True)(x))
    x = L.Permute((2, 1, 3))(L.Cropping2D(((1, 0), (0, 1)))(L.Concatenate()([x, upsampled])))
    x = qkeras.QDense(5, activation=QuantizedRelu(8, 1), **q)(L.Reshape((-1, 12))(x))
    x = qkeras.QDense(4, activation=QuantizedBits(8, 4), **q)(L.Flatten()(x))
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        # Channels of very different sizes, so that each gets a step of its own.
        sizes = np.exp2(rng.integers(-3, 2, variable.shape[-1]))
        variable.assign(rng.normal(0, 0.5, variable.shape) * sizes)
    return model


def quantized(architecture, weight_bits, activation_bits):
    """The quantized twin of a network whose batch norms look trained: no two channels alike."""
    keras.utils.set_random_seed(0)
    model = architecture()
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            channels = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, channels))
            layer.beta.assign(rng.normal(0, 0.3, channels))
            layer.moving_mean.assign(rng.normal(0, 0.3, channels))
            layer.moving_variance.assign(np.exp2(rng.normal(0, 1, channels)))
    return qrobust.quantize(model, weight_bits, activation_bits)


NETWORKS = {
    "every operator": every_operator,
    "resnet8 w4a4": lambda: quantized(qrobust.architectures.resnet8, 4, 4),
    "ds_cnn w4a4": lambda: quantized(qrobust.architectures.ds_cnn, 4, 4),
    "digits_cnn w3a2": lambda: quantized(qrobust.architectures.digits_cnn, 3, 2),
    "digits_cnn w2a8": lambda: quantized(qrobust.architectures.digits_cnn, "ternary", 8),
}


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_stock_converter_writes_the_same_integers(network):
    exported = tflite_export.export(NETWORKS[network]())
    theirs = convert(exported.graph)
    assert_fully_integer(theirs)
    (tensor,) = exported.graph.inputs
    x = np.random.default_rng(1).integers(-128, 128, (64, *tensor.shape)).astype(np.int8)

    (expected,) = reference.run(exported.graph, x)
    (ours,) = runtimes.run(runtimes.XNNPACK, exported.tflite, [x])
    (stock,) = runtimes.run(runtimes.XNNPACK, theirs, [x])

    assert np.count_nonzero(ours != expected) == 0
    assert np.count_nonzero(stock != expected) == 0
    # Logits that all saturate would agree for free.
    inside = np.abs(expected) < 127
    assert inside.mean() > 0.5 and len(np.unique(expected)) > 10


def test_one_network_has_every_operator():
    exported = tflite_export.export(every_operator())
    assert {type(operator) for operator in exported.graph.operators} == set(REBUILD)


def assert_fully_integer(model):
    """No float tensor: what the converter could not quantize it would leave in float32."""
    interpreter = Interpreter(model_content=model)
    kinds = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}
    for detail in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        assert detail["dtype"] is np.int8
