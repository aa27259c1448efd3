"""A network of two layers, for tests that train often and look at no accuracy."""

import keras

L = keras.layers


def tiny(shape, classes):
    inputs = keras.Input(shape)
    x = L.Rescaling(1 / 256)(inputs)
    x = L.Conv2D(2, 3, strides=2, activation="relu", name="conv")(x)
    return keras.Model(inputs, L.Dense(classes, name="logits")(L.Flatten()(x)), name="tiny")
