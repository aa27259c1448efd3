"""Small networks as files, made from graphs: no Keras, and few enough inputs to run them all."""

import numpy as np

from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import (
    Add,
    Conv2D,
    FullyConnected,
    IntegerGraph,
    MaxPool2D,
    Reshape,
    Tensor,
)
from tflite_export.grid import Grid
from tflite_export.passes.tie_free import tie_free

HIDDEN = Grid.unsigned(4, 0)


def file_of(graph):
    return to_flatbuffer(tie_free(explicit_clips(graph)))


def connected(rng, x, units, grid, name, *, shift, centre, largest=7):
    """A dense layer whose accumulators are about 0 where its inputs are ``centre``."""
    weights = rng.integers(-largest, largest + 1, (units, x.shape[-1]))
    return FullyConnected(
        inputs=(x,),
        output=Tensor(name, (units,), grid),
        weights=weights,
        bias=rng.integers(-20, 21, units) - weights.sum(axis=1) * centre,
        weight_exponents=np.full(units, grid.exponent - x.grid.exponent - shift),
    )


def dense_net(seed, *, inputs=2, hidden=6, classes=3, shift=5, last=1):
    """Pixels -> hidden (relu, 4 bits) -> classes; the label changes several times on the grid."""
    rng = np.random.default_rng(seed)
    x = Tensor("x", (inputs,), Grid.pixels())
    first = connected(rng, x, hidden, HIDDEN, "hidden", shift=shift, centre=128)
    logits = Grid.signed(8, 0)
    second = connected(rng, first.output, classes, logits, "logits", shift=last, centre=5)
    return IntegerGraph("dense", (x,), (second.output,), (first, second))


def picture_net(seed, *, side=4, channels=1, classes=3, last=2):
    """A convolution with a residual, a pool and a dense layer: every kind of bound at once."""
    rng = np.random.default_rng(seed)
    x = Tensor("x", (side, side, channels), Grid.pixels())
    w1 = rng.integers(-7, 8, (4, 3, 3, channels))
    conv1 = Conv2D(
        inputs=(x,), output=Tensor("a", (side, side, 4), HIDDEN), weights=w1,
        bias=-w1.sum(axis=(1, 2, 3)) * 100 + rng.integers(-50, 51, 4),
        weight_exponents=np.full(4, -7), padding="SAME",
    )  # fmt: skip
    w2 = rng.integers(-3, 4, (4, 3, 3, 4))
    conv2 = Conv2D(
        inputs=(conv1.output,), output=Tensor("b", (side, side, 4), HIDDEN), weights=w2,
        bias=rng.integers(-20, 21, 4), weight_exponents=np.full(4, -3), padding="SAME",
    )  # fmt: skip
    add = Add(
        inputs=(conv1.output, conv2.output),
        output=Tensor("c", (side, side, 4), Grid.unsigned(4, 1)),
    )
    pool = MaxPool2D(
        inputs=(add.output,), output=Tensor("d", (side // 2, side // 2, 4), add.output.grid),
        pool=(2, 2), strides=(2, 2),
    )  # fmt: skip
    flat = Reshape(inputs=(pool.output,), output=Tensor("e", (side * side,), pool.output.grid))
    dense = connected(rng, flat.output, classes, Grid.signed(8, 1), "logits", shift=last, centre=7)
    return IntegerGraph("picture", (x,), (dense.output,), (conv1, conv2, add, pool, flat, dense))
