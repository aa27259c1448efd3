"""Networks of hls4ml's tests and tutorials; the trained ones lie in a folder of their own."""

from pathlib import Path

import keras
import qkeras

from coverage_networks.parts import Builder, L, act, bits, chain, quantizers, softmax


def _legacy(name):
    def load(folder: Path):
        import qrobust

        return qrobust.load_legacy(folder / f"{name}.json", folder / f"{name}_weights.h5")

    return load


def _saved(folder: Path):
    import qrobust.layers  # noqa: F401  (registers layers)

    return keras.models.load_model(folder / "qkeras-v3_3layer.keras", compile=False)


#: Networks that need a file of hls4ml's example models.
TRAINED = {
    "jet tagging 3-layer (v3)": _saved,
    "jet tagging 3-layer (QKeras 0.9)": _legacy("qkeras_3layer"),
    "mnist CNN": _legacy("qkeras_mnist_cnn"),
    "mnist dense": _legacy("qkeras_mnist_dense"),
    "float 3-layer": _legacy("KERAS_3layer"),
}


def _single(b, alpha):
    return chain(
        (16,),
        act(qkeras.quantized_bits(b, 0, alpha=1)),
        qkeras.QDense(16, **quantizers(bits(b, 0, 0, alpha), bits(b, 0, 0, 1))),
        act(qkeras.quantized_relu(b, 0)),
    )


def svhn():
    weights = bits(6, 0, 0, 1)
    layers = []
    for filters in (16, 16, 24):
        layers += [
            qkeras.QConv2DBatchnorm(
                filters,
                3,
                kernel_quantizer=weights,
                bias_quantizer=weights,
                use_bias=True,
            ),
            act("quantized_relu(6)"),
            L.MaxPooling2D(),
        ]
    layers.append(L.Flatten())
    for units in (42, 64):
        layers += [
            qkeras.QDense(units, kernel_quantizer=weights, use_bias=False),
            L.BatchNormalization(),
            act("quantized_relu(6)"),
        ]
    return chain((32, 32, 3), *layers, L.Dense(10), softmax())


def separable(kind, shape):
    eight = bits(8, 0, 0, 1)
    return chain(
        shape,
        kind(
            8,
            3,
            depthwise_quantizer=eight,
            pointwise_quantizer=eight,
            bias_quantizer=eight,
        ),
        act("quantized_relu(8, 2)"),
    )


def depthwise():
    six = bits(6, 0, 0, 1)
    return chain(
        (10, 10, 3),
        qkeras.QDepthwiseConv2D(3, depthwise_quantizer=six, bias_quantizer=six),
        act("quantized_relu(6, 2)"),
    )


def conv_norm():
    eight = bits(8, 0, 0, 1)
    return chain(
        (8, 8, 3),
        qkeras.QConv2DBatchnorm(4, 3, **quantizers(eight, eight)),
        act("quantized_relu(8, 2)"),
    )


def _keyword(weights, activation):
    return chain(
        (10,),
        qkeras.QDense(10, activation=activation, kernel_quantizer=weights, bias_quantizer=weights),
    )


def _alone(quantizer):
    return chain((1,), act(quantizer))


def binary_cnn():
    layers = []
    for filters in (8, 16):
        layers += [
            qkeras.QConv2D(filters, 3, use_bias=False, kernel_quantizer=qkeras.binary(alpha=1)),
            L.BatchNormalization(),
            act(qkeras.binary(alpha=1)),
        ]
    last = qkeras.QDense(10, use_bias=False, kernel_quantizer=qkeras.binary(alpha=1))
    return chain((16, 16, 1), *layers, L.MaxPooling2D(), L.Flatten(), last, softmax())


def unquantized():
    layer = qkeras.QDense(8, activation="quantized_relu(8, 0)", kernel_initializer="ones")
    return chain((10,), layer)


def wide_po2():
    po2 = qkeras.quantized_po2(8, 4)
    return chain(
        (16,),
        qkeras.QDense(16, **quantizers(po2, po2)),
        act("quantized_relu(8, 2)"),
        qkeras.QDense(5, **quantizers(po2, po2)),
    )


FOUR = "quantized_bits(4, 0, alpha=1)"
NETWORKS: dict[str, Builder] = {
    "single dense (4, alpha 1)": lambda: _single(4, 1),
    "single dense (4, auto_po2)": lambda: _single(4, "auto_po2"),
    "single dense (6, 1)": lambda: _single(6, 1),
    "single dense (8, 1)": lambda: _single(8, 1),
    "tutorial SVHN QCNN": svhn,
    "QSeparableConv1D 8 bit": lambda: separable(qkeras.QSeparableConv1D, (12, 3)),
    "QSeparableConv2D 8 bit": lambda: separable(qkeras.QSeparableConv2D, (10, 10, 3)),
    "QDepthwiseConv2D": depthwise,
    "QConv2DBatchnorm 8 bit": conv_norm,
    "activation keyword binary": lambda: _keyword("binary", "binary"),
    "activation keyword ternary": lambda: _keyword("ternary", "ternary"),
    "activation keyword q4-relu2": lambda: _keyword(FOUR, "quantized_relu(2, 0)"),
    "activation keyword q4-relu8": lambda: _keyword(FOUR, "quantized_relu(8, 0)"),
    "quantizer alone bits(8,4)": lambda: _alone(qkeras.quantized_bits(8, 4)),
    "quantizer alone bits(10,0)": lambda: _alone(qkeras.quantized_bits(10, 0)),
    "quantizer alone relu(8,4)": lambda: _alone(qkeras.quantized_relu(8, 4)),
    "quantizer alone relu(10,5)": lambda: _alone(qkeras.quantized_relu(10, 5)),
    "binary CNN": binary_cnn,
    "no quantizers": unquantized,
    "wide po2": wide_po2,
}
