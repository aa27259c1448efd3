"""Every shift and every edge: accumulators on ties, at saturation, at the ends of their types.

A probe is one linear operator whose input runs through 0 .. 255 with a weight of its own per
channel. A channel's bias puts these 256 accumulators around one place where kernels could disagree.
Whatever the exporter does not refuse has to be the same integers on every runtime.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tflite_export import ExportError, reference, runtimes
from tflite_export.flatbuffer import operators, to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    ResizeNearest,
    Tensor,
)
from tflite_export.grid import Grid
from tflite_export.passes.storage import store
from tflite_export.passes.tie_free import tie_free

from .effort import LONG

PIXELS = Grid.pixels()
SHIFTS = (*range(-8, 27), 31, 40)
GRIDS = [
    Grid.unsigned(8, 0),
    Grid.unsigned(4, 0),
    Grid.unsigned(1, 0),
    Grid.signed(8, 0),
    Grid.signed(8, 0, symmetric=True),
    Grid.signed(4, -3),  # a fused RELU_N1_TO_1
]
KINDS = ["FullyConnected", "Conv2D", "DepthwiseConv2D"]
STORAGES = ["int8", "int4", "int2"] if LONG else ["int8"]


def places(grid, shift):
    """Accumulators to look at: ties next to zero, next to both clips, and large ones."""
    ends = [grid.minimum - grid.zero_point, 0, grid.maximum - grid.zero_point]
    outputs = {end + near for end in ends for near in (-2, -1, 0, 1)}
    ties = [int(np.floor((2 * output + 1) * 2.0 ** (shift - 1))) for output in outputs]
    large = [sign * 2**bits for bits in range(20, 29) for sign in (-1, 1)]
    return sorted({place for place in (*ties, *large) if abs(place) <= 2**28})


@cache
def accepted(grid, shift):
    """(weight, bias) of the channels around these places that the exporter takes."""
    channels = [(w, place - 128 * w) for place in places(grid, shift) for w in (1, -31)]
    if not refuses(probe("FullyConnected", grid, shift, channels)):
        return channels
    return [c for c in channels if not refuses(probe("FullyConnected", grid, shift, [c]))]


def refuses(graph):
    try:
        to_flatbuffer(prepared(graph))
    except ExportError:
        return True
    return False


def prepared(graph, storage="int8"):
    return store(tie_free(explicit_clips(graph)), storage, exact=True)[0]


def probe(kind, grid, shift, channels):
    """A graph of one operator with a channel for every (weight, bias)."""
    weights, bias = np.array(channels, np.int64).T
    count = len(channels)
    shapes = {
        "FullyConnected": (FullyConnected, (256, 1), (256, count), (count, 1)),
        "Conv2D": (Conv2D, (16, 16, 1), (16, 16, count), (count, 1, 1, 1)),
        "DepthwiseConv2D": (DepthwiseConv2D, (16, 16, count), (16, 16, count), (1, 1, 1, count)),
    }
    operator, source, output, kernel = shapes[kind]
    x = Tensor("x", source, PIXELS)
    linear = operator(
        inputs=(x,),
        output=Tensor("y", output, grid),
        weights=weights.reshape(kernel),
        weight_exponents=np.full(count, grid.exponent - PIXELS.exponent - shift),
        bias=bias,
    )
    return IntegerGraph("probe", (x,), (linear.output,), (linear,))


def ramp(graph):
    """0 .. 255 in every channel, as one example."""
    (x,) = graph.inputs
    column = np.arange(-128, 128).reshape(-1, 1)
    return np.broadcast_to(column, (256, x.shape[-1])).reshape(1, *x.shape)


def differences(graph, *arrays, storage="int8"):
    """Runtime -> how many integers are not the specification's."""
    expected = reference.run(graph, *arrays)
    model = to_flatbuffer(prepared(graph, storage))
    found = {}
    for runtime in runtimes.RUNTIMES:
        if runtimes.missing(runtime, model) is None:
            received = runtimes.run(runtime, model, [a.astype(np.int8) for a in arrays])
            pairs = zip(expected, received, strict=True)
            found[runtime] = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
    return found


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_accepted_accumulators_are_exact_everywhere(kind, grid, storage):
    failures = {}
    for shift in SHIFTS:
        channels = accepted(grid, shift)
        if storage != "int8":
            channels = [(weight, bias) for weight, bias in channels if weight == 1]
        if channels:
            graph = probe(kind, grid, shift, channels)
            failures[shift] = differences(graph, ramp(graph), storage=storage)
    assert {s: f for s, f in failures.items() if any(f.values())} == {}
    assert set(failures) >= set(range(-7, 27))


def sum_of(grid, first, second):
    """A graph that adds every pair of integers of two grids."""
    a, b = Tensor("a", (256 * 256,), first), Tensor("b", (256 * 256,), second)
    add = Add(inputs=(a, b), output=Tensor("y", a.shape, grid))
    return IntegerGraph("sum", (a, b), (add.output,), (add,))


def every_pair():
    q = np.arange(-128, 128)
    return np.repeat(q, 256)[None], np.tile(q, 256)[None]


# log2 of an input's step over the output's; only an unsigned output may be the coarser one.
UNSIGNED_RATIOS = [(-10, -10), (-10, 6), (-3, 2), (-1, -1), (-1, 0), (0, 0), (5, -4), (6, 6)]
SIGNED_RATIOS = [(0, 0), (0, 6), (1, 3), (6, 0), (6, 6)]


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("grid", [Grid.unsigned(2, 0), *GRIDS], ids=str)
@pytest.mark.parametrize("other", [Grid.signed(8, 0), PIXELS], ids=str)
def test_every_pair_of_integers_adds_up_everywhere(grid, other):
    failures = {}
    for first, second in UNSIGNED_RATIOS if grid.is_unsigned else SIGNED_RATIOS:
        graph = sum_of(
            grid,
            Grid.signed(8, grid.exponent + first),
            replace(other, exponent=grid.exponent + second),
        )
        failures[first, second] = differences(graph, *every_pair())
    assert {r: f for r, f in failures.items() if any(f.values())} == {}


@pytest.mark.ordinary(5)
@pytest.mark.parametrize("factor", range(1, 65))
def test_every_factor_of_an_upsampling_that_is_accepted(factor):
    x = Tensor("x", (3, 2, 1), PIXELS)
    y = Tensor("y", (3 * factor, 2 * factor, 1), PIXELS)
    resize = ResizeNearest(inputs=(x,), output=y, factors=(factor, factor))
    graph = IntegerGraph("larger", (x,), (y,), (resize,))
    if not refuses(graph):
        assert not any(differences(graph, np.arange(6).reshape(1, 3, 2, 1)).values())


# Past each limit that the writer enforces, some runtime really is off. If one of the tests below
# fails, the kernels got better and the limit can move.


def test_the_largest_ratio_of_a_sum_is_needed(monkeypatch):
    graph = sum_of(Grid.signed(8, 0), Grid.unsigned(8, 7), Grid.signed(8, 7))
    with pytest.raises(ExportError, match="y: adds 'a' of step 2\\^7 onto step 2\\^0"):
        to_flatbuffer(graph)
    monkeypatch.setattr(operators, "_LARGEST_ADD_RATIO", 7)
    assert differences(graph, *every_pair())["LiteRT optimized"]


def test_the_smallest_shift_is_needed(monkeypatch):
    graph = probe("FullyConnected", PIXELS, -8, [(1, 0)])
    with pytest.raises(ExportError, match="y: multiplies its accumulator by 2\\^8"):
        to_flatbuffer(graph)
    monkeypatch.setattr(operators, "_SMALLEST_SHIFT", -8)
    with pytest.raises(ExportError, match="LiteRT XNNPACK refuses .*failed to prepare"):
        differences(graph, ramp(graph))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_the_float32_limit_is_needed(monkeypatch, bits):
    grid = Grid.unsigned(bits, 0)
    around_ties = [
        probe("FullyConnected", grid, shift, [(1, place - 128) for place in places(grid, shift)])
        for shift in range(26)
    ]
    refused = next(graph for graph in around_ties if refuses(graph))
    monkeypatch.setattr(operators, "accumulators_fit_float32", lambda operator: True)
    found = differences(refused, ramp(refused))
    assert found.pop(runtimes.XNNPACK)
    assert not any(found.values())
