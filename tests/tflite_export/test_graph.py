import numpy as np
import pytest

from tflite_export import ExportError
from tflite_export.graph import Add, FullyConnected, IntegerGraph, MaxPool2D, Reshape, Tensor
from tflite_export.grid import Grid

GRID = Grid.pixels()


def dense(source, name="y", *, weights=None, bias=None):
    weights = np.ones((2, 3), np.int64) if weights is None else weights
    return FullyConnected(
        inputs=(source,),
        output=Tensor(name, (2,), Grid.signed(8, 4)),
        weights=weights,
        weight_exponents=np.zeros(2, np.int64),
        bias=np.zeros(2, np.int64) if bias is None else bias,
    )


def test_shift_macs_and_accumulator_bound_follow_from_the_grids():
    x = Tensor("x", (3,), GRID)
    operator = dense(x, bias=np.array([10, -20]))
    assert operator.shift.tolist() == [4, 4]
    assert operator.macs == 6
    assert operator.accumulator_bound.tolist() == [3 * 255 + 10, 3 * 255 + 20]


X = Tensor("x", (3,), GRID)
OTHER = Tensor("other", (3,), Grid.signed(8, 0))


@pytest.mark.parametrize(
    ("operator", "says"),
    [
        (dense(OTHER), "reads 'other' before it is written"),
        (dense(X, weights=np.full((2, 3), 128)), r"y: weights outside \[-127, 127\]"),
        (dense(X, bias=np.zeros(3, np.int64)), "y: 2 channels"),
        (dense(X, bias=np.array([2**31, 0])), "y: an accumulator could leave int32"),
        (Reshape(inputs=(X,), output=Tensor("r", (4,), GRID)), r"r: cannot reshape \(3,\)"),
        (Reshape(inputs=(X,), output=Tensor("r", (3,), Grid.pixels(1))), "r: moves integers"),
        (Add(inputs=(X, X), output=Tensor("a", (4,), GRID)), "a: Add takes two tensors"),
        (
            MaxPool2D(
                inputs=(X,), output=Tensor("p", (3,), Grid.pixels(1)), pool=(1, 1), strides=(1, 1)
            ),
            "p: moves integers",
        ),
    ],
)
def test_a_broken_graph_cannot_be_built(operator, says):
    with pytest.raises(ExportError, match=says):
        IntegerGraph("g", (X,), (operator.output,), (operator,))


def test_an_output_must_be_written():
    with pytest.raises(ExportError, match="Output 'other' is never written"):
        IntegerGraph("g", (X,), (OTHER,), ())
