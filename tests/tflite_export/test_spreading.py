"""Spread activations: the integers of ``4 w`` from weights ``w``, and why nothing less will do."""

from dataclasses import replace
from math import frexp

import numpy as np
import pytest

from tflite_export import ExportError, reference, runtimes
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import Add, Conv2D, FullyConnected, IntegerGraph, Tensor
from tflite_export.grid import Grid
from tflite_export.passes.spread import spread_operator, spread_tensor
from tflite_export.passes.tie_free import is_tie_free
from tflite_export.spreading import SPREAD, spread_grid, spreads

GRIDS = [
    *(Grid.unsigned(bits, -2) for bits in range(1, 9)),
    *(Grid.signed(bits, 1, symmetric=odd) for bits in range(2, 9) for odd in (False, True)),
]


def half_even(acc, multiplier):
    """XNNPACK: float32, then the even neighbour."""
    return np.rint(acc.astype(np.float32) * np.float32(multiplier)).astype(np.int64)


def twice(acc, multiplier):
    """gemmlowp, TFLM: a doubling high multiplication that rounds, then a shift that does."""
    mantissa, exponent = frexp(multiplier)
    product = acc * round(mantissa * 2**31)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    right = -exponent
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def once(acc, multiplier):
    """One rounding in fixed point, halves away from zero."""
    scaled = np.abs(acc) * multiplier  # exact: at most 53 bits here
    return np.sign(acc) * np.floor(scaled + 0.5).astype(np.int64)


KERNELS = (half_even, twice, once)


@pytest.mark.parametrize("shift", range(1, 9))
def test_every_accumulator_of_a_spread_layer_rounds_alike(shift):
    acc = np.arange(-260 << shift, 260 << shift)
    expected = (acc + (1 << (shift - 1))) >> shift
    for kernel in KERNELS:
        np.testing.assert_array_equal(kernel(4 * acc + 1, 2.0 ** -(shift + 2)), expected)
    assert np.any(half_even(acc, 2.0**-shift) != expected)  # the factor is what decides
    # Two is too little, unless the scale leans down by a float32 step.
    assert np.any(twice(2 * acc + 1, 2.0 ** -(shift + 1)) != expected)
    for kernel in KERNELS:
        leaning = 2.0 ** -(shift + 1) * (1 - 2**-24)
        np.testing.assert_array_equal(kernel(2 * acc + 1, leaning), expected)


def multipliers(shift):
    """Around ``2**-shift``, leaning up and down, a float32 step and more."""
    least = [1 - 2**-24, 1, 1 + 2**-23]
    steps = np.arange(-400, 401) / 2**10
    return 2.0**-shift * np.concatenate([least, 1 + steps])


def right(kernel, bits, shift, offset):
    """Which multipliers round plain accumulators right, behind a ReLU of so many bits."""
    acc = np.arange(-2 << shift, ((2**bits + 1) << shift) + 1)
    expected = np.clip((acc + (1 << (shift - 1))) >> shift, 0, 2**bits - 1)
    return {
        m
        for m in multipliers(shift)
        if np.array_equal(np.clip(kernel(acc + offset, m), 0, 2**bits - 1), expected)
    }


@pytest.mark.parametrize("shift", [2, 3, 5])
def test_no_scale_and_no_bias_round_plain_accumulators_alike(shift):
    """A leaning scale serves either rounding; both at once only where there is a single tie."""
    found = {}
    for bits in (1, 2, 4):
        for offset in range(-3, 4):
            even, two = (right(kernel, bits, shift, offset) for kernel in (half_even, twice))
            for name, kept in (("even", even), ("twice", two), ("both", even & two)):
                found[name, bits] = found.get((name, bits), 0) + len(kept)
    assert found["both", 2] == found["both", 4] == 0
    assert found["even", 4] > 0 < found["twice", 4] and found["both", 1] > 0


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_spread_grid_holds_four_times_every_integer(grid):
    wide = spread_grid(grid)
    assert (wide is None) == (grid.levels > 64)
    if wide is None:
        return
    assert spreads(grid, wide)
    q = np.arange(grid.minimum, grid.maximum + 1)
    times = wide.zero_point + SPREAD * (q - grid.zero_point)
    assert times.max() == 127 and times.min() >= wide.minimum
    for other in (replace(wide, exponent=wide.exponent - 1), grid, replace(wide, zero_point=127)):
        assert not spreads(grid, other)


def test_multiples_that_no_sum_accounts_for_are_refused():
    x = Tensor("x", (3,), Grid.unsigned(4, 0))
    y = replace(x, name="y")
    wide = spread_tensor(x)
    IntegerGraph("g", (x,), (wide,), (Add(inputs=(x, x), output=wide),))
    for operator in (
        Add(inputs=(x, y), output=wide),
        Add(inputs=(x, x), output=replace(wide, multiple=8)),
        Add(inputs=(x, x), output=replace(wide, grid=Grid.unsigned(4, -1))),
    ):
        with pytest.raises(ExportError, match="a sum of a tensor with itself"):
            IntegerGraph("g", (x, y), (operator.output,), (operator,))


def every_accumulator(kind, source, output, shifts, storage="int4"):
    """All pairs of integers, weights of 4 bits, biases that carry them past both clips."""
    levels = np.arange(source.minimum, source.maximum + 1)
    pairs = np.stack(np.meshgrid(levels, levels), -1)
    reach = 8 * source.reach
    signs, steps = (1, -1), [np.linspace(-1, 1, 9)] * len(shifts)
    ends = [reach + (output.levels + 1) * 2.0**shift for shift in shifts]
    rows = [
        (sign, shift, round(end * part))
        for shift, end, parts in zip(shifts, ends, steps, strict=True)
        for part in parts
        for sign in signs
    ]
    weights = np.array([[7 * sign, sign] for sign, _, _ in rows])
    exponents = output.exponent - source.exponent - np.array([shift for _, shift, _ in rows])
    convolution = kind is Conv2D
    shape = pairs.shape if convolution else (2,)
    x = Tensor("x", shape, source)
    plain = kind(
        inputs=(x,),
        output=Tensor("y", (*shape[:-1], len(rows)), output),
        weights=weights[:, None, None] if convolution else weights,
        weight_exponents=exponents,
        bias=np.array([bias for _, _, bias in rows]),
    )
    wide = spread_tensor(x)
    operator = spread_operator(plain, wide, storage)
    assert is_tie_free(operator) and not is_tie_free(plain)
    operators = (Add(inputs=(x, x), output=wide), operator)
    before = IntegerGraph("g", (x,), (plain.output,), (plain,))
    after = IntegerGraph("g", (x,), (operator.output,), operators)
    return before, after, pairs[None] if convolution else pairs.reshape(-1, 2)


@pytest.mark.parametrize("name", runtimes.RUNTIMES)
@pytest.mark.parametrize(
    ("kind", "source", "output", "shifts"),
    [
        (Conv2D, Grid.unsigned(4, 0), Grid.unsigned(4, 0), (-2, -1, 0, 1, 2, 3, 5, 8)),
        (Conv2D, Grid.unsigned(4, -3), Grid.signed(8, 1), (-1, 0, 1, 2, 4, 7)),
        (Conv2D, Grid.signed(4, 0), Grid.signed(8, 0), (1, 3)),
        (Conv2D, Grid.unsigned(6, 0), Grid.unsigned(8, 0), (1, 4)),
        (FullyConnected, Grid.unsigned(4, 0), Grid.signed(8, 0), (1,)),
        (FullyConnected, Grid.signed(5, -1), Grid.unsigned(6, 0), (3,)),
    ],
)
def test_every_accumulator_on_every_runtime(name, kind, source, output, shifts):
    before, after, q = every_accumulator(kind, source, output, shifts)
    model = to_flatbuffer(after)
    if why := runtimes.missing(name, model):
        pytest.skip(why)
    (expected,) = reference.run(before, q)
    np.testing.assert_array_equal(reference.run(after, q)[0], expected)
    (received,) = runtimes.run(name, model, [q.astype(np.int8)])
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("name", runtimes.RUNTIMES)
def test_the_same_weights_without_the_sum_round_otherwise_on_some_kernels(name):
    before, _, q = every_accumulator(Conv2D, Grid.unsigned(4, 0), Grid.signed(8, 1), (1, 2, 4))
    packed = before.with_operators((replace(before.operators[0], storage="int4"),))
    model = to_flatbuffer(packed)
    if why := runtimes.missing(name, model):
        pytest.skip(why)
    (received,) = runtimes.run(name, model, [q.astype(np.int8)])
    assert np.any(received != reference.run(before, q)[0])


def test_every_integer_is_spread_on_every_runtime():
    for grid in GRIDS:
        if spread_grid(grid) is None:
            continue
        x = Tensor("x", (grid.levels,), grid)
        wide = spread_tensor(x)
        graph = IntegerGraph("g", (x,), (wide,), (Add(inputs=(x, x), output=wide),))
        q = np.arange(grid.minimum, grid.maximum + 1)[None]
        expected = wide.grid.zero_point + SPREAD * (q - grid.zero_point)
        model = to_flatbuffer(graph)
        for name in runtimes.RUNTIMES:
            if runtimes.missing(name, model) is None:
                (received,) = runtimes.run(name, model, [q.astype(np.int8)], trusted=True)
                np.testing.assert_array_equal(received, expected, f"{name}, {grid}")
