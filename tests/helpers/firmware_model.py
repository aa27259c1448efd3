"""A small classifier whose C, tables and firmware several suites build."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tflite_export import reference
from tflite_export.graph import Conv2D, FullyConnected, IntegerGraph, Reshape, Tensor
from tflite_export.grid import Grid
from tflite_export.reference import accumulate

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "microcontroller"


def classifier():
    rng = np.random.default_rng(0)
    x = Tensor("x", (6, 6, 1), Grid.pixels())
    hidden = Tensor("hidden", (3, 3, 5), Grid.unsigned(4, 7))
    flat = Tensor("flat", (45,), hidden.grid)
    y = Tensor("y", (3,), Grid.signed(8, 7))
    conv = Conv2D(
        inputs=(x,),
        output=hidden,
        weights=rng.integers(-7, 8, (5, 3, 3, 1)),
        weight_exponents=np.zeros(5, np.int64),
        bias=rng.integers(-500, 500, 5),
        strides=(2, 2),
        padding="SAME",
    )
    dense = FullyConnected(
        inputs=(flat,),
        output=y,
        weights=rng.integers(-7, 8, (3, 45)),
        weight_exponents=np.full(3, -2),
        bias=np.zeros(3, np.int64),
    )
    # Balanced at gray, so that noise changes labels.
    move = Reshape(inputs=(hidden,), output=flat)
    gray = reference.run(
        IntegerGraph("features", (x,), (flat,), (conv, move)), np.full((1, 6, 6, 1), 0)
    )[0]
    dense = replace(dense, bias=-accumulate(dense, gray)[0])
    return IntegerGraph("classifier", (x,), (y,), (conv, move, dense))
