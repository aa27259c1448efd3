"""Leaning scales: one meaning each, and the same integers under every way to round."""

from itertools import product

import numpy as np
import pytest

from tflite_export import reference, runtimes
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import Add, IntegerGraph, Tensor
from tflite_export.grid import Grid
from tflite_export.leaning import MOST, PARTS, leaning_scale, may_lean, read_scale, rounds

#: log2 of an operand's step over the sum's: every rounding sum that the writer accepts.
RATIOS = [(a, b) for a, b in product(range(-10, 7), repeat=2) if a <= b and a < 0]


def test_every_scale_has_one_meaning():
    seen = set()
    for exponent, lean in product(range(-40, 20), range(MOST + 1)):
        scale = np.float32(leaning_scale(exponent, lean))
        assert scale == leaning_scale(exponent, lean)  # exact in the file's float32
        assert read_scale(float(scale)) == (exponent, lean)
        seen.add(float(scale))
    assert len(seen) == 60 * (MOST + 1)


@pytest.mark.parametrize(
    "scale", [0.3, 0.0, -0.5, float("inf"), float("nan"), 1 - 2**-14, 1 - 32 / PARTS, 1 + 1 / PARTS]
)
def test_other_scales_have_none(scale):
    assert read_scale(scale) is None


def totals(shift, bits):
    """Every sum in units of ``2**-shift``, past both clips; what lies beyond is clipped, too."""
    return np.arange(-2 << shift, ((1 << bits) + 1 << shift) + 1)


def half_even(total, shift, lean, more):
    """``total * 2**-shift``, its scale leaning by one more than its operands', in integers."""
    top = total * (PARTS - lean)
    bottom = (PARTS - lean - more) << shift
    floor, rest = np.divmod(top, bottom)
    return floor + ((2 * rest > bottom) | ((2 * rest == bottom) & (floor % 2 == 1)))


@pytest.mark.ordinary(4)
@pytest.mark.parametrize("bits", range(1, 9))
def test_half_to_even_gives_the_integers_of_half_up(bits):
    accepted, without = 0, 0
    grid = Grid.unsigned(bits, 0)
    for a, b in RATIOS:
        first, second = Grid.signed(8, a), Grid.signed(8, b)
        assert rounds(first, second, grid)
        shift = -a
        total = totals(shift, bits)
        up = np.clip((total + (1 << (shift - 1))) >> shift, 0, 2**bits - 1)
        for lean in range(MOST if may_lean(first, second, grid) else 0):
            even = np.clip(half_even(total, shift, lean, 1), 0, 2**bits - 1)
            np.testing.assert_array_equal(even, up)
            accepted += 1
        plain = np.clip(half_even(total, shift, 0, 0), 0, 2**bits - 1)
        without += bool(np.any(plain != up))
    assert accepted > 30 * MOST
    assert without > 100  # the factor is what decides


def test_what_may_not_lean():
    fine, coarse = Grid.signed(8, -6), Grid.signed(8, 0)
    assert not may_lean(fine, coarse, Grid.unsigned(8, 0))  # 8 + 6 > 13: too close to ties
    assert not may_lean(Grid.signed(8, -5), Grid.signed(8, 3), Grid.unsigned(8, 0))  # XNNPACK
    assert not may_lean(coarse, coarse, Grid.unsigned(8, 0))  # rounds nothing
    assert not may_lean(Grid.signed(8, -1), coarse, Grid.signed(8, 0))  # negative ties stay


def pairs():
    q = np.arange(-128, 128)
    return np.repeat(q, 256)[None], np.tile(q, 256)[None]


def the_sum(bits, a, b, lean):
    x = Tensor("a", (256 * 256,), Grid.signed(8, a), lean)
    y = Tensor("b", (256 * 256,), Grid.signed(8, b), lean)
    output = Tensor("y", x.shape, Grid.unsigned(bits, 0), lean + 1)
    return IntegerGraph("sum", (x, y), (output,), (Add(inputs=(x, y), output=output),))


def assert_every_pair(bits, a, b, lean, names):
    graph, (x, y) = the_sum(bits, a, b, lean), pairs()
    (expected,) = reference.run(graph, x, y)
    model = to_flatbuffer(graph)
    for name in names:
        if runtimes.missing(name, model) is None:
            (received,) = runtimes.run(name, model, [x.astype(np.int8), y.astype(np.int8)])
            assert np.count_nonzero(received != expected) == 0, (name, bits, a, b, lean)


def at_the_limit(bits):
    """The finest operands that a sum of so many bits may have, beside every other one."""
    for b in range(-10, 7):
        grids = (Grid.signed(8, b), Grid.unsigned(bits, 0))
        fits = [a for a in range(-10, min(b + 1, 0)) if may_lean(Grid.signed(8, a), *grids)]
        if fits:
            yield min(fits), b


@pytest.mark.ordinary(5)
@pytest.mark.parametrize("lean", [0, 2, MOST - 1])
@pytest.mark.parametrize(
    ("bits", "a", "b"),
    [(2, -10, -4), (4, -9, -3), (4, -2, -1), (8, -5, 2), (8, -4, 6), (8, -1, 0)],
)
def test_every_pair_of_integers_adds_up_on_every_runtime(bits, a, b, lean):
    assert_every_pair(bits, a, b, lean, runtimes.RUNTIMES)


@pytest.mark.slow
@pytest.mark.parametrize("lean", [0, 1, MOST - 1])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_sum_at_the_limit_adds_up_on_every_runtime(bits, lean):
    for a, b in at_the_limit(bits):
        assert_every_pair(bits, a, b, lean, runtimes.RUNTIMES)
