import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tflite_export import reference
from tflite_export.graph import FullyConnected, IntegerGraph, Tensor
from tflite_export.grid import Grid
from tflite_export.passes.tie_free import (
    can_be_tie_free,
    is_tie_free,
    tie_free,
    unscaled,
    unscaled_weight_bits,
)


def dense(weights, bias, shift, *, grid=None):
    grid = grid or Grid.signed(8, 0)
    weights = np.atleast_2d(np.asarray(weights, np.int64))
    x = Tensor("x", (weights.shape[1],), Grid.pixels())
    operator = FullyConnected(
        inputs=(x,),
        output=Tensor("y", (len(weights),), grid),
        weights=weights,
        weight_exponents=grid.exponent - np.broadcast_to(shift, len(weights)).astype(np.int64),
        bias=np.broadcast_to(bias, len(weights)).astype(np.int64),
    )
    return IntegerGraph("g", (x,), (operator.output,), (operator,))


@given(
    weights=st.lists(st.integers(-31, 31), min_size=3, max_size=3),
    bias=st.integers(-5000, 5000),
    shift=st.integers(-3, 12),
    data=st.data(),
)
def test_the_integers_stay_and_no_accumulator_is_a_tie(weights, bias, shift, data):
    graph = dense(weights, bias, shift)
    x = np.array([data.draw(st.lists(st.integers(-128, 127), min_size=3, max_size=3))])
    scaled = tie_free(graph)
    (operator,) = scaled.operators
    assert np.array_equal(reference.run(graph, x)[0], reference.run(scaled, x)[0])
    acc = reference.accumulate(operator, x)
    half = 1 << (operator.shift.max() - 1) if operator.shift.max() >= 1 else 0
    if half:
        assert acc[0, 0] % (2 * half) != half
        assert acc[0, 0] % 4 == 1
    assert is_tie_free(operator)
    assert unscaled_weight_bits(operator) == graph.operators[0].weight_bits


def test_a_channel_with_wide_weights_stays_as_it_is():
    graph = dense([[32, 1, 1], [31, 1, 1]], 0, 3)
    (operator,) = tie_free(graph).operators
    assert operator.weights.tolist() == [[32, 1, 1], [124, 4, 4]]
    assert not can_be_tie_free(graph.operators[0])
    assert not is_tie_free(operator)


def test_numbers_that_only_look_scaled_are_left_alone():
    (operator,) = dense([4, -8, 12], 5, -1).operators
    assert unscaled(operator).weights.tolist() == [[4, -8, 12]]


def test_a_channel_that_rounds_nothing_may_have_8_bits():
    graph = dense([127, -127, 1], 5, 0)
    (operator,) = tie_free(graph).operators
    assert operator.weights.tolist() == [[127, -127, 1]]
    assert operator.bias.tolist() == [5]
    assert can_be_tie_free(operator) and is_tie_free(operator)
