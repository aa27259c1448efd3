"""Networks of QKeras's examples and notebook."""

import keras
import qkeras
from qkeras.utils import model_quantize

from coverage_networks.parts import Builder, L, act, bits, chain, q4, quantizers, softmax

MNIST = (28, 28, 1)


def mnist():
    return chain(
        MNIST,
        qkeras.QConv2D(32, 2, strides=2, **q4()),
        act("quantized_relu(4,0)"),
        qkeras.QConv2D(64, 3, strides=2, **q4()),
        act("quantized_relu(4,0)"),
        qkeras.QConv2D(64, 2, strides=2, **q4()),
        act("quantized_relu(4,0)"),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def mnist_batch_norm():
    layers = []
    for filters in (32, 64, 32):
        layers += [
            qkeras.QConv2D(
                filters, 3, kernel_quantizer=qkeras.ternary(alpha=1, threshold=0.1), use_bias=False
            ),
            qkeras.QBatchNormalization(
                gamma_quantizer=qkeras.quantized_relu_po2(4, 8),
                variance_quantizer=qkeras.quantized_relu_po2(6),
                beta_quantizer=qkeras.quantized_po2(4, 4),
                gamma_range=8,
                beta_range=4,
            ),
            act("quantized_relu(3,1)"),
            L.MaxPooling2D(2, 2),
        ]
    last = qkeras.QDense(10, **quantizers(qkeras.quantized_ulaw(4, 0, 1)))
    return chain(MNIST, *layers, L.Flatten(), last, softmax())


def mnist_po2():
    po2 = qkeras.quantized_po2
    return chain(
        MNIST,
        act("quantized_relu_po2(4)"),
        qkeras.QConv2D(32, 2, strides=2, **quantizers(po2(4, 1), po2(4, 1))),
        act("quantized_relu_po2(4,4)"),
        qkeras.QConv2D(64, 3, strides=2, **quantizers(po2(4, 1), po2(4, 1))),
        act("quantized_relu_po2(4,4,use_stochastic_rounding=True)"),
        qkeras.QConv2D(
            64, 2, strides=2, **quantizers(po2(4, 1, use_stochastic_rounding=True), po2(4, 1))
        ),
        act("quantized_relu(4,1)"),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def po2_weights():
    po2 = qkeras.quantized_po2
    return chain(
        MNIST,
        qkeras.QConv2D(32, 2, strides=2, **quantizers(po2(4, 1), po2(4, 1))),
        act("quantized_relu(4,1)"),
        qkeras.QConv2D(64, 3, strides=2, **quantizers(po2(4, 1), po2(4, 1))),
        act("quantized_relu(4,1)"),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def cifar10_po2():
    po2 = qkeras.quantized_po2
    return chain(
        (32, 32, 3),
        act("quantized_relu_po2(4,4)"),
        qkeras.QConv2D(32, 3, **quantizers(po2(4, 1), po2(4, 4))),
        act("ternary()"),
        L.MaxPooling2D(2, 2),
        qkeras.QConv2D(64, 3, **quantizers(po2(4, 1), po2(4, 4))),
        act("quantized_relu(6,2)"),
        L.MaxPooling2D(2, 2),
        qkeras.QConv2D(32, 3, **q4()),
        act("quantized_relu(4,2)"),
        L.MaxPooling2D(2, 2),
        L.Flatten(),
        qkeras.QDense(10, **quantizers(qkeras.quantized_ulaw(4, 0, 1))),
        softmax(),
    )


def ulaw_weights():
    ulaw = qkeras.quantized_ulaw
    return chain(
        (32, 32, 3),
        qkeras.QConv2D(16, 3, **quantizers(ulaw(4, 0, 1))),
        act("quantized_relu(6,2)"),
        L.MaxPooling2D(2, 2),
        L.Flatten(),
        qkeras.QDense(10, **quantizers(ulaw(4, 0, 1))),
        softmax(),
    )


def ternary_activations():
    return chain(
        (32, 32, 3),
        qkeras.QConv2D(16, 3, **q4()),
        act("ternary()"),
        L.MaxPooling2D(2, 2),
        qkeras.QConv2D(16, 3, **q4()),
        act("quantized_relu(4,2)"),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def _float_twin():
    inputs = [keras.Input(MNIST, name=f"input{i}") for i in range(2)]
    x = L.Concatenate(name="concat")(inputs)
    for number, filters in enumerate((32, 64, 32)):
        x = L.Conv2D(filters, 3, name=f"conv2d_{number}_m")(x)
        x = L.Activation("relu", name=f"act{number}_m")(x)
        x = L.MaxPooling2D(2, 2, name=f"mp_{number}")(x)
    x = L.Dense(10, name="dense")(L.Flatten()(x))
    return keras.Model(inputs, softmax()(x))


def keras_to_qkeras():
    four = {"kernel_quantizer": "quantized_bits(4,0,1)", "bias_quantizer": "quantized_bits(4,0,1)"}
    options = {
        "conv2d_0_m": {**four, "kernel_quantizer": "binary()"},
        "conv2d_1_m": {**four, "kernel_quantizer": "ternary()"},
        "act2_m": "quantized_relu(6,2)",
        "QActivation": {"relu": "quantized_relu(4,0)"},
        "QConv2D": four,
        "QDense": {
            "kernel_quantizer": "quantized_bits(3,0,1)",
            "bias_quantizer": "quantized_bits(3,0,1)",
        },
    }
    return model_quantize(_float_twin(), options, 4)


def autoencoder():
    layers = []
    for filters in (32, 16, 8):
        layers += [qkeras.QConv2D(filters, 3, **q4()), act("quantized_relu(4,0)")]
    for filters in (8, 16, 32):
        layers += [qkeras.QConv2DTranspose(filters, 3, **q4()), act("quantized_relu(4,0)")]
    last = qkeras.QConv2D(1, 3, padding="same", **q4())
    return chain((12, 12, 1), *layers, last, L.Activation("sigmoid"))


def sigmoid_end():
    return chain(
        MNIST,
        qkeras.QConv2D(16, 3, strides=2, **q4()),
        act("quantized_relu(4,0)"),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        L.Activation("sigmoid"),
    )


def qdense():
    return chain(
        (784,),
        act("quantized_relu(4)"),
        qkeras.QDense(100, **quantizers(qkeras.ternary())),
        act("quantized_relu(2)"),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def mnist_b2t():
    wide = bits(8, 5)
    return chain(
        (28, 28, 8),
        act("quantized_relu(1,1)"),
        qkeras.QConv2D(64, 3, padding="same", **quantizers(qkeras.quantized_po2(4, 1), bits(4, 2))),
        act("quantized_relu(4,0)"),
        L.MaxPooling2D(2, 2),
        qkeras.QConv2D(32, 3, padding="same", **quantizers(qkeras.stochastic_ternary(), wide)),
        act("quantized_relu(4,0)"),
        L.MaxPooling2D(2, 2),
        qkeras.QConv2D(16, 3, padding="same", **quantizers(bits(4), wide)),
        act("quantized_relu(6,2)"),
        L.MaxPooling2D(2, 2),
        L.Flatten(),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def _tutorial_float():
    layers = []
    for number, filters in enumerate((18, 32, 64)):
        layers += [
            L.Conv2D(filters, 3, name=f"conv2d_{number}"),
            L.Activation("relu", name=f"act_{number}"),
        ]
    return chain(MNIST, *layers, L.Flatten(), L.Dense(10, name="dense"), softmax())


def tutorial():
    stochastic = qkeras.stochastic_ternary()
    return chain(
        MNIST,
        qkeras.QConv2D(18, 3, **quantizers(stochastic, qkeras.ternary())),
        act("quantized_relu(3)"),
        qkeras.QSeparableConv2D(
            32,
            3,
            depthwise_quantizer=bits(4),
            pointwise_quantizer=bits(3),
            bias_quantizer=bits(3),
        ),
        act("quantized_relu(3)"),
        L.Flatten(),
        qkeras.QDense(10, **quantizers(bits(3), bits(3))),
        softmax(),
    )


def tutorial_model_quantize():
    three = {"kernel_quantizer": "quantized_bits(3,0,1)", "bias_quantizer": "quantized_bits(3)"}
    options = {
        "conv2d_0": {"kernel_quantizer": "stochastic_ternary()", "bias_quantizer": "ternary()"},
        "QConv2D": three,
        "QDense": three,
        "QActivation": {"relu": "quantized_relu(3)"},
    }
    return model_quantize(_tutorial_float(), options, 4)


NETWORKS: dict[str, Builder] = {
    "mnist": mnist,
    "mnist with batch norm": mnist_batch_norm,
    "mnist po2": mnist_po2,
    "po2 weights only": po2_weights,
    "cifar10 po2": cifar10_po2,
    "ulaw weights": ulaw_weights,
    "ternary activations": ternary_activations,
    "keras_to_qkeras (2 inputs)": keras_to_qkeras,
    "mnist autoencoder": autoencoder,
    "sigmoid end": sigmoid_end,
    "qdense": qdense,
    "mnist b2t": mnist_b2t,
    "tutorial": tutorial,
    "tutorial through model_quantize": tutorial_model_quantize,
}
