"""Keras habits, each in one small CNN."""

from coverage_networks.parts import Builder, L, chain, softmax

PICTURE = (16, 16, 3)


def conv(filters=8, activation="relu", **options):
    return L.Conv2D(filters, 3, activation=activation, **options)


def cnn(*middle, shape=PICTURE):
    """A convolution, what is tried, a convolution, a dense layer."""
    return chain(shape, conv(activation=None), *middle, conv(), L.Flatten(), L.Dense(5))


def normalization():
    layer = L.Normalization(mean=[0.48, 0.45, 0.4], variance=[0.05, 0.05, 0.05])
    return chain(PICTURE, layer, conv(), L.Flatten(), L.Dense(5))


def ending(*layers):
    return chain(PICTURE, conv(strides=2), *layers)


NETWORKS: dict[str, Builder] = {
    "ReLU(6)": lambda: cnn(L.ReLU(6.0)),
    '"relu6"': lambda: cnn(L.Conv2D(8, 3, activation="relu6")),
    "LeakyReLU": lambda: cnn(L.LeakyReLU(0.1)),
    "PReLU": lambda: cnn(L.PReLU(shared_axes=[1, 2])),
    "ELU": lambda: cnn(L.ELU()),
    "hard_swish": lambda: cnn(L.Activation("hard_swish")),
    "swish": lambda: cnn(L.Activation("swish")),
    "tanh": lambda: cnn(L.Activation("tanh")),
    "gelu": lambda: cnn(L.Activation("gelu")),
    "BN after relu": lambda: cnn(L.ReLU(), L.BatchNormalization()),
    "Dropout": lambda: cnn(L.ReLU(), L.Dropout(0.5)),
    "SpatialDropout2D": lambda: cnn(L.ReLU(), L.SpatialDropout2D(0.5)),
    "GroupNorm": lambda: cnn(L.GroupNormalization(4), L.ReLU()),
    "Rescaling 1/255": lambda: chain(
        PICTURE, L.Rescaling(1 / 255), conv(), L.Flatten(), L.Dense(5)
    ),
    "no rescaling": lambda: chain(PICTURE, conv(), L.Flatten(), L.Dense(5)),
    "Normalization": normalization,
    "BN on the input": lambda: chain(
        PICTURE, L.BatchNormalization(), conv(), L.Flatten(), L.Dense(5)
    ),
    "BN without scale and center": lambda: cnn(
        L.BatchNormalization(scale=False, center=False), L.ReLU()
    ),
    "Cropping2D": lambda: cnn(L.ReLU(), L.Cropping2D(2)),
    "ZeroPadding2D": lambda: cnn(L.ReLU(), L.ZeroPadding2D(1)),
    "Permute": lambda: cnn(L.ReLU(), L.Permute((2, 1, 3))),
    "UpSampling2D": lambda: cnn(L.ReLU(), L.UpSampling2D(2)),
    "Reshape": lambda: cnn(L.ReLU(), L.Reshape((7, 28, 8))),
    "SeparableConv": lambda: cnn(L.ReLU(), L.SeparableConv2D(8, 3)),
    'average pooling "same" on odd sizes': lambda: cnn(
        L.ReLU(), L.AveragePooling2D(2, padding="same"), shape=(15, 15, 3)
    ),
    'max pooling "same"': lambda: cnn(
        L.ReLU(), L.MaxPooling2D(2, padding="same"), shape=(15, 15, 3)
    ),
    "GAP keepdims + 1 x 1 + Flatten": lambda: ending(
        L.GlobalAveragePooling2D(keepdims=True), L.Conv2D(5, 1), L.Flatten()
    ),
    "GlobalMaxPooling": lambda: ending(L.GlobalMaxPooling2D(), L.Dense(5)),
    "Softmax layer": lambda: ending(L.Flatten(), L.Dense(5), L.Softmax()),
    "sigmoid end": lambda: ending(L.Flatten(), L.Dense(5, activation="sigmoid")),
    "Dense with 1 logit": lambda: ending(L.Flatten(), L.Dense(1)),
    "BN before softmax": lambda: ending(L.Flatten(), L.Dense(5), L.BatchNormalization(), softmax()),
    "Flatten + Dropout + Dense": lambda: ending(
        L.Flatten(), L.Dropout(0.5), L.Dense(32, activation="relu"), L.Dense(5)
    ),
}
