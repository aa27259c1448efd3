"""Networks of QKeras's tests."""

import keras
import numpy as np
import qkeras

from coverage_networks.parts import Builder, L, act, bits, chain, q4, quantizers, softmax

PICTURE = (16, 16, 3)


def _qnetwork(*relus):
    return chain(
        (28, 28, 1),
        qkeras.QSeparableConv2D(
            32,
            2,
            strides=2,
            depthwise_quantizer=bits(4),
            pointwise_quantizer=bits(3),
            bias_quantizer=bits(4),
        ),
        act(relus[0]),
        qkeras.QConv2D(64, 3, strides=2, activation=relus[1], **quantizers(qkeras.ternary())),
        qkeras.QConv2D(64, 2, strides=2, **quantizers(bits(6, 2))),
        act(relus[2]),
        L.Flatten(),
        qkeras.QDense(10, **quantizers(bits(6, 2), bits(3))),
        softmax(),
    )


def qnetwork_sigmoid_relu():
    return _qnetwork("quantized_relu(6,2,1)", qkeras.quantized_relu(6, 3, 1), "quantized_relu(2,1)")


def qnetwork_relu():
    return _qnetwork("quantized_relu(6,2)", qkeras.quantized_relu(6, 3), "quantized_relu(2)")


def conv1d():
    return chain(
        (20, 3),
        qkeras.QConv1D(8, 3, **q4()),
        act("quantized_relu(4,2)"),
        L.Flatten(),
        qkeras.QDense(5, **q4()),
    )


def separable_conv1d():
    return chain(
        (20, 3),
        qkeras.QSeparableConv1D(
            8,
            3,
            depthwise_quantizer=bits(4),
            pointwise_quantizer=bits(4),
            bias_quantizer=bits(4),
        ),
        act("quantized_relu(4,2)"),
        L.Flatten(),
        qkeras.QDense(5, **q4()),
    )


def conv2d_transpose():
    return chain(
        (8, 8, 2),
        qkeras.QConv2DTranspose(4, 3, strides=2, **q4()),
        act("quantized_relu(4,2)"),
    )


def masked():
    return chain(
        PICTURE,
        qkeras.QConv2D(8, 3, mask=np.eye(3, dtype=np.float32), **q4()),
        act("quantized_relu(4,2)"),
    )


def _folded(mode):
    return chain(
        PICTURE,
        qkeras.QConv2DBatchnorm(
            8, 3, strides=4, use_bias=False, kernel_quantizer=bits(4), folding_mode=mode
        ),
        L.Flatten(),
        L.Dense(2, use_bias=False),
        softmax(),
    )


def unfolded_norm():
    return chain(
        PICTURE,
        qkeras.QConv2D(8, 3, use_bias=False, kernel_quantizer=bits(4, 0, 1, 1.0)),
        qkeras.QBatchNormalization(
            mean_quantizer=bits(6),
            gamma_quantizer=None,
            variance_quantizer=None,
            beta_quantizer=bits(6),
            inverse_quantizer=bits(16),
            scale=False,
            center=False,
        ),
        act("quantized_bits(5,0,1)"),
        qkeras.QConv2D(2, 1, **quantizers(bits(3, 0, 0), bits(3, 2, 0))),
    )


def _average(pool, padding="valid"):
    return chain(
        (8, 8, 3),
        qkeras.QAveragePooling2D(
            pool, padding=padding, average_quantizer=bits(4), activation=bits(4)
        ),
    )


def global_average():
    layer = qkeras.QGlobalAveragePooling2D(average_quantizer=bits(10), activation=bits(4))
    return chain((4, 4, 3), layer)


def pooling():
    return chain((16, 16, 3), L.AveragePooling2D(2), L.GlobalAveragePooling2D())


def fork_po2():
    inputs = keras.Input((10, 10, 1))
    x = act("quantized_relu(4)")(inputs)
    x = qkeras.QConv2D(
        16, 3, activation=qkeras.quantized_po2(3, 1), **quantizers(bits(5), bits(5))
    )(x)
    left = qkeras.QConv2D(8, 3, activation=qkeras.quantized_relu(6, 2), **q4())(x)
    right = qkeras.QConv2D(8, 3, **quantizers(qkeras.binary(), qkeras.binary()))(x)
    return keras.Model(inputs, [left, right])


def fork_two_outputs():
    inputs = keras.Input((10,))
    x = qkeras.QDense(20, activation=qkeras.quantized_relu(6, 2), **quantizers(bits(5), bits(5)))(
        inputs
    )
    x = act("quantized_relu(4)")(x)
    first = qkeras.QDense(30, **quantizers(qkeras.binary(), qkeras.binary()))(x)
    return keras.Model(inputs, [first, act("quantized_relu(6,2)")(x)])


def _qconv(*middle):
    return chain(
        (23, 23, 1),
        act("quantized_relu(4)"),
        qkeras.QConv2D(16, 2, 2, **quantizers(qkeras.binary(), qkeras.ternary())),
        *middle,
        qkeras.QConv2D(8, 2, 2, activation=qkeras.quantized_relu(6, 2), **q4()),
        qkeras.QConv2D(2, 2, 2, activation=qkeras.quantized_relu(6, 2), **q4()),
        act("quantized_bits(6, 0, 1)"),
    )


def _merge(kind, **options):
    quantized = (bits(4), bits(5, 0, 0), bits(6))
    inputs = [keras.Input((16 * 2**i,)) for i in range(3)]
    branches = [
        qkeras.QDense(8, activation=q, **quantizers(bits(5), bits(5)))(x)
        for q, x in zip(quantized, inputs, strict=True)
    ]
    return keras.Model(inputs, kind(**options)(branches))


def concatenated():
    inputs = [keras.Input((16, 16, 1)) for _ in range(3)]
    branches = [
        qkeras.QConv2D(16 * 2**i, 2, 2, **quantizers(q, q))(x)
        for i, (q, x) in enumerate(zip((bits(4), bits(5, 0, 0), bits(6)), inputs, strict=True))
    ]
    return keras.Model(inputs, L.Concatenate()(branches))


def _recurrent(kind):
    layer = kind(
        8,
        kernel_quantizer=bits(4),
        recurrent_quantizer=bits(4),
        bias_quantizer=bits(4),
        state_quantizer=bits(4),
        activation="quantized_tanh(4)",
    )
    return chain((10, 4), layer, qkeras.QDense(5, **q4()), softmax())


def _activated(activation, shape=PICTURE):
    return chain(
        shape,
        qkeras.QConv2D(8, 3, **q4()),
        act(activation),
        L.Flatten(),
        qkeras.QDense(5, **q4()),
        softmax(),
    )


def adaptive():
    return chain(
        (784,),
        qkeras.QDense(100, **quantizers(qkeras.binary(), qkeras.binary())),
        act("quantized_relu(4,0)"),
        qkeras.QDense(50, **q4()),
        qkeras.QAdaptiveActivation("quantized_relu", 4),
        qkeras.QDense(10, **q4()),
        softmax(),
    )


def auto_alpha():
    return chain(
        PICTURE,
        qkeras.QConv2D(8, 3, **quantizers(bits(4, alpha="auto"))),
        act("quantized_relu(4,2)"),
        L.Flatten(),
        qkeras.QDense(5, **quantizers(bits(4, alpha="auto"))),
        softmax(),
    )


def linear_quantizer():
    linear = qkeras.quantized_linear(4, 0, 1, alpha=1.0)
    return chain(
        PICTURE,
        qkeras.QConv2D(8, 3, **quantizers(linear)),
        act(qkeras.quantized_linear(6, 2, 1, alpha=1.0)),
        L.Flatten(),
        qkeras.QDense(5, **quantizers(linear)),
    )


NETWORKS: dict[str, Builder] = {
    "qnetwork with sigmoid-relu": qnetwork_sigmoid_relu,
    "qnetwork with plain relu": qnetwork_relu,
    "QConv1D": conv1d,
    "QSeparableConv1D": separable_conv1d,
    "QConv2DTranspose": conv2d_transpose,
    "masked": masked,
    "fold batch_stats": lambda: _folded("batch_stats_folding"),
    "fold ema_stats": lambda: _folded("ema_stats_folding"),
    "unfolded QBatchNormalization": unfolded_norm,
    "QAveragePooling2D 2 x 2": lambda: _average(2),
    "QAveragePooling2D 3 x 3": lambda: _average(3),
    'QAveragePooling2D "same"': lambda: _average(3, "same"),
    "QGlobalAveragePooling2D": global_average,
    "pooling_qmodel": pooling,
    "fork with po2 activation": fork_po2,
    "fork with 2 outputs": fork_two_outputs,
    "qconv_model": _qconv,
    "qconv_model with quantized middle": lambda: _qconv(act("quantized_bits(6, 2, 1)")),
    "merge add": lambda: _merge(L.Add),
    "merge mul": lambda: _merge(L.Multiply),
    "merge max": lambda: _merge(L.Maximum),
    "merge avg": lambda: _merge(L.Average),
    "merge min": lambda: _merge(L.Minimum),
    "merge cat": concatenated,
    "QSimpleRNN": lambda: _recurrent(qkeras.QSimpleRNN),
    "QLSTM": lambda: _recurrent(qkeras.QLSTM),
    "QGRU": lambda: _recurrent(qkeras.QGRU),
    "leaky relu": lambda: _activated(qkeras.quantized_relu(6, 2, negative_slope=0.125)),
    "adaptive activation": adaptive,
    'alpha="auto"': auto_alpha,
    "quantized_linear": linear_quantizer,
    "quantized_hswish": lambda: _activated(qkeras.quantized_hswish(8, 2)),
    "activation quantized_tanh(8)": lambda: _activated(qkeras.quantized_tanh(8)),
    "activation quantized_sigmoid(5)": lambda: _activated(qkeras.quantized_sigmoid(5)),
    "activation binary": lambda: _activated(qkeras.binary(alpha=1)),
    "activation binary_tanh": lambda: _activated("binary_tanh"),
    "activation hard_tanh": lambda: _activated("hard_tanh"),
    "activation bernoulli": lambda: _activated(qkeras.bernoulli(alpha=1)),
}
