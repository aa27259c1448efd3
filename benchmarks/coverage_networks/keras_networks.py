"""Float Keras networks: architectures, small ones of each kind, at 32 x 32."""

import keras

from coverage_networks.parts import Builder, L, chain, softmax

PICTURE = (32, 32, 3)


def _conv(filters, kernel=3, strides=1, relu="relu", depthwise=False, scale=True):
    """Convolution, batch norm, activation."""
    kind = L.DepthwiseConv2D if depthwise else L.Conv2D
    first = (kernel,) if depthwise else (filters, kernel)
    layers = [kind(*first, strides=strides, padding="same", use_bias=False)]
    layers.append(L.BatchNormalization(scale=scale))
    if relu is not None:
        layers.append(L.ReLU(6.0) if relu == "relu6" else L.Activation(relu))
    return layers


def _apply(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


def _classifier(x, classes=10):
    return softmax()(L.Dense(classes)(L.GlobalAveragePooling2D()(x)))


def mobilenet_v1(relu="relu6", first=()):
    inputs = keras.Input(PICTURE)
    x = _apply(inputs, *first, *_conv(8, strides=2, relu=relu))
    for filters, strides in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        x = _apply(x, *_conv(0, 3, strides, relu, depthwise=True), *_conv(filters, 1, relu=relu))
    return keras.Model(inputs, _classifier(x))


def mobilenet_v2(relu="relu6", gate=None):
    inputs = keras.Input(PICTURE)
    x = _apply(inputs, *_conv(8, strides=2, relu=relu))
    for filters, strides in ((8, 1), (16, 2), (16, 1), (32, 2), (32, 1)):
        y = _apply(x, *_conv(4 * x.shape[-1], 1, relu=relu), *_conv(0, 3, strides, relu, True))
        if gate is not None:
            y = _excited(y, gate)
        y = _apply(y, *_conv(filters, 1, relu=None))
        x = L.Add()([x, y]) if x.shape == y.shape else y
    return keras.Model(inputs, _classifier(_apply(x, *_conv(64, 1, relu=relu))))


def _excited(x, gate="sigmoid"):
    channels = x.shape[-1]
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    y = L.Conv2D(max(channels // 4, 1), 1, activation="relu")(y)
    return L.Multiply()([x, L.Conv2D(channels, 1, activation=gate)(y)])


def resnet18():
    inputs = keras.Input(PICTURE)
    x = _apply(inputs, *_conv(16))
    for filters, strides in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        y = _apply(x, *_conv(filters, 3, strides), *_conv(filters, relu=None))
        if x.shape != y.shape:
            x = _apply(x, *_conv(filters, 1, strides, relu=None))
        x = L.ReLU()(L.Add()([x, y]))
    return keras.Model(inputs, _classifier(x))


def preactivation_resnet():
    inputs = keras.Input(PICTURE)
    x = L.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = L.ReLU()(L.BatchNormalization()(x))
        short = x
        if strides > 1:
            short = L.Conv2D(filters, 1, strides=strides, use_bias=False)(y)
        y = L.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(y)
        y = L.ReLU()(L.BatchNormalization()(y))
        x = L.Add()([short, L.Conv2D(filters, 3, padding="same", use_bias=False)(y)])
    return keras.Model(inputs, _classifier(L.ReLU()(L.BatchNormalization()(x))))


def vgg():
    layers = []
    for filters in (16, 32, 64):
        layers += [
            L.Conv2D(filters, 3, padding="same", activation="relu"),
            L.Conv2D(filters, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
        ]
    return chain(
        PICTURE, *layers, L.Flatten(), L.Dense(64, activation="relu"), L.Dropout(0.5), L.Dense(10)
    )


def squeezenet():
    inputs = keras.Input(PICTURE)
    x = L.Conv2D(16, 3, strides=2, activation="relu")(inputs)
    for filters in (4, 8):
        x = L.MaxPooling2D(3, 2)(x)
        s = L.Conv2D(filters, 1, activation="relu")(x)
        wide = L.Conv2D(4 * filters, 3, padding="same", activation="relu")(s)
        x = L.Concatenate()([L.Conv2D(4 * filters, 1, activation="relu")(s), wide])
    x = L.Conv2D(10, 1, activation="relu")(L.Dropout(0.5)(x))
    return keras.Model(inputs, softmax()(L.GlobalAveragePooling2D()(x)))


def densenet(before):
    inputs = keras.Input(PICTURE)
    x = L.Conv2D(16, 3, padding="same")(inputs)
    for block in range(2):
        for _ in range(3):
            y = L.ReLU()(L.BatchNormalization()(x)) if before else x
            y = L.Conv2D(8, 3, padding="same", use_bias=False)(y)
            y = y if before else L.ReLU()(L.BatchNormalization()(y))
            x = L.Concatenate()([x, y])
        if block == 0:
            x = L.ReLU()(L.BatchNormalization()(x)) if before else x
            x = L.AveragePooling2D(2)(L.Conv2D(16, 1, use_bias=False)(x))
    return keras.Model(inputs, _classifier(L.ReLU()(L.BatchNormalization()(x))))


def unet(up):
    inputs = keras.Input(PICTURE)
    kinds = {
        "nearest": lambda f: L.UpSampling2D(2),
        "bilinear": lambda f: L.UpSampling2D(2, interpolation="bilinear"),
        "transposed": lambda f: L.Conv2DTranspose(f, 2, strides=2),
    }
    a = _apply(inputs, *_conv(8))
    b = _apply(L.MaxPooling2D()(a), *_conv(16))
    c = _apply(L.MaxPooling2D()(b), *_conv(32))
    b = _apply(L.Concatenate()([kinds[up](16)(c), b]), *_conv(16))
    a = _apply(L.Concatenate()([kinds[up](8)(b), a]), *_conv(8))
    return keras.Model(inputs, L.Conv2D(2, 1)(a))


def mixer(norm):
    inputs = keras.Input(PICTURE)
    x = L.Reshape((16, 32))(L.Conv2D(32, 8, strides=8)(inputs))
    for _ in range(2):
        y = L.Permute((2, 1))(L.LayerNormalization()(x) if norm else x)
        y = L.Dense(16)(L.Dense(32, activation="gelu" if norm else "relu")(y))
        x = L.Add()([x, L.Permute((2, 1))(y)])
        y = L.LayerNormalization()(x) if norm else x
        x = L.Add()([x, L.Dense(32)(L.Dense(64, activation="gelu" if norm else "relu")(y))])
    return keras.Model(inputs, L.Dense(10)(L.GlobalAveragePooling1D()(x)))


def vit():
    inputs = keras.Input(PICTURE)
    x = L.Reshape((16, 32))(L.Conv2D(32, 8, strides=8)(inputs))
    y = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 16)(y, y)])
    x = L.Add()([x, L.Dense(32, activation="gelu")(L.LayerNormalization()(x))])
    return keras.Model(inputs, L.Dense(10)(L.GlobalAveragePooling1D()(x)))


def recurrent(kind):
    return chain((20, 8), kind(16), L.Dense(5))


def keywords(padding):
    layers = []
    for filters in (16, 32):
        layers += [
            L.Conv1D(filters, 3, padding=padding, activation="relu"),
            L.MaxPooling1D(2),
        ]
    return chain((64, 10), *layers, L.GlobalAveragePooling1D(), L.Dense(12), softmax())


def several_inputs():
    inputs = [keras.Input((16, 16, 3)), keras.Input((8,))]
    a = L.Flatten()(L.Conv2D(4, 3, strides=2, activation="relu")(inputs[0]))
    b = L.Dense(16, activation="relu")(inputs[1])
    return keras.Model(inputs, L.Dense(5)(L.Concatenate()([a, b])))


def _trunk():
    inputs = keras.Input((16, 16, 3))
    return inputs, L.Flatten()(L.Conv2D(8, 3, strides=2, activation="relu")(inputs))


def several_outputs():
    inputs, x = _trunk()
    return keras.Model(inputs, [L.Dense(5)(x), L.Dense(3, activation="softmax")(x)])


def dictionary_of_outputs():
    inputs, x = _trunk()
    return keras.Model(inputs, {"cls": L.Dense(5)(x), "box": L.Dense(4)(x)})


def separable():
    return chain(
        PICTURE,
        L.SeparableConv2D(16, 3, strides=2, activation="relu"),
        L.SeparableConv2D(32, 3, strides=2, activation="relu"),
        L.GlobalAveragePooling2D(),
        L.Dense(10),
    )


def nested():
    backbone = chain(PICTURE, *_conv(8, strides=2), *_conv(16, strides=2))
    return chain(PICTURE, backbone, L.GlobalAveragePooling2D(), L.Dense(10), softmax())


def merged(kind, count=3):
    inputs = keras.Input((16, 16, 3))
    branches = [L.Conv2D(8, 3, padding="same", activation="relu")(inputs) for _ in range(count)]
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(kind()(branches))))


def excited():
    inputs = keras.Input((16, 16, 3))
    x = _excited(L.Conv2D(8, 3, padding="same", activation="relu")(inputs))
    return keras.Model(inputs, _classifier(x))


def small(*layers, shape=(16, 16, 3)):
    return chain(shape, *layers, L.Flatten(), L.Dense(5))


def channels_first():
    return chain(
        (3, 16, 16),
        L.ReLU(),
        L.MaxPooling2D(2, data_format="channels_first"),
        L.Flatten(data_format="channels_first"),
        L.Dense(5),
    )


@keras.saving.register_keras_serializable("coverage")
class Subclassed(keras.Model):
    """A model that is no graph."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = L.Conv2D(4, 3, activation="relu")
        self.dense = L.Dense(5)
        self.flatten = L.Flatten()

    def call(self, x):
        """Two layers."""
        return self.dense(self.flatten(self.conv(x)))


def subclassed():
    model = Subclassed()
    model.build((None, 16, 16, 3))
    return model


def divided():
    inputs = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, activation="relu")(inputs / 256)
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(x)))


def added():
    inputs = keras.Input((16, 16, 3))
    a, b = (L.Conv2D(4, 3, activation="relu")(inputs) for _ in range(2))
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(a + b)))


def mixed():
    with_policy = {"dtype": "mixed_float16"}
    return chain(
        (16, 16, 3),
        L.Conv2D(4, 3, activation="relu", **with_policy),
        L.Flatten(),
        L.Dense(5, **with_policy),
    )


NETWORKS: dict[str, Builder] = {
    "MobileNetV1 (relu6)": mobilenet_v1,
    "MobileNetV1 (relu)": lambda: mobilenet_v1("relu"),
    "MobileNetV1 (Rescaling 1/255)": lambda: mobilenet_v1("relu", [L.Rescaling(1 / 255)]),
    "MobileNetV1 (1/127.5 - 1)": lambda: mobilenet_v1("relu", [L.Rescaling(1 / 127.5, -1)]),
    "MobileNetV2 (relu6)": mobilenet_v2,
    "MobileNetV2 (relu)": lambda: mobilenet_v2("relu"),
    "EfficientNet-Lite": lambda: mobilenet_v2("relu6"),
    "EfficientNet (SE, swish)": lambda: mobilenet_v2("swish", "sigmoid"),
    "MobileNetV3 (SE, hard_swish)": lambda: mobilenet_v2("hard_swish", "hard_sigmoid"),
    "ResNet-18": resnet18,
    "pre-activation ResNet": preactivation_resnet,
    "VGG": vgg,
    "SqueezeNet": squeezenet,
    "DenseNet (pre-activation)": lambda: densenet(True),
    "DenseNet (post-activation)": lambda: densenet(False),
    "U-Net (nearest)": lambda: unet("nearest"),
    "U-Net (bilinear)": lambda: unet("bilinear"),
    "U-Net (transposed)": lambda: unet("transposed"),
    "MLP-Mixer (with norm)": lambda: mixer(True),
    "MLP-Mixer (with relu)": lambda: mixer(False),
    "ViT": vit,
    "LSTM": lambda: recurrent(L.LSTM),
    "GRU": lambda: recurrent(L.GRU),
    "SimpleRNN": lambda: recurrent(L.SimpleRNN),
    "Conv1D keywords (plain)": lambda: keywords("valid"),
    "Conv1D keywords (causal)": lambda: keywords("causal"),
    "several inputs": several_inputs,
    "several outputs": several_outputs,
    "dictionary of outputs": dictionary_of_outputs,
    "SeparableConv2D": separable,
    "nested backbone": nested,
    "merge of three: Add": lambda: merged(L.Add),
    "merge of three: Multiply": lambda: merged(L.Multiply),
    "merge of three: Average": lambda: merged(L.Average),
    "merge of three: Maximum": lambda: merged(L.Maximum),
    "merge of three: Minimum": lambda: merged(L.Minimum),
    "Subtract": lambda: merged(L.Subtract, 2),
    "SE block": excited,
    "groups": lambda: small(L.Conv2D(8, 1), L.Conv2D(8, 3, groups=2, activation="relu")),
    "channels_first": channels_first,
    "dilation": lambda: small(L.Conv2D(8, 3, dilation_rate=2, activation="relu")),
    'odd sizes with "same" and stride 2': lambda: small(
        L.Conv2D(8, 3, strides=2, padding="same", activation="relu"), shape=(15, 17, 3)
    ),
    "subclassed": subclassed,
    "Lambda": lambda: small(L.Conv2D(4, 3), L.Lambda(keras.ops.abs, output_shape=(14, 14, 4))),
    "`x / 256` as an operator": divided,
    "`a + b` as an operator": added,
    "mixed_float16": mixed,
    "augmentation layers": lambda: small(
        L.RandomFlip(), L.RandomRotation(0.1), L.Conv2D(4, 3, activation="relu")
    ),
    "RandomCrop": lambda: small(L.RandomCrop(12, 12), L.Conv2D(4, 3, activation="relu")),
}
