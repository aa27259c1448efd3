"""Strategies that draw networks: most of them exportable, small, and unlike each other.

Every function takes hypothesis's ``draw`` and a ``Place``, where in the network one is, and returns
the steps drawn and the place after them.
"""

from dataclasses import replace
from math import log2, prod

from hypothesis import strategies as st

from tflite_export import Grid

from .drawing_layers import (
    Draw,
    Place,
    activation,
    chance,
    linear,
    sibling,
    sliding,
)
from .networks import (
    Average,
    Concat,
    Crop,
    Dropout,
    Flatten,
    GlobalMax,
    LocalAverage,
    MaxPool,
    Nested,
    Network,
    Noise,
    Permute,
    PlainRelu,
    Quantize,
    Rescale,
    Reshape,
    Softmax,
    Sum,
    UpSample,
    ZeroPad,
)
from .quantization import Activation, Bits, Relu, Shape
from .weighted import Step

Steps = tuple[Step, ...]
_LARGEST = 8


def plain(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """A linear layer with its quantizer inside."""
    layer, shape, chosen = linear(draw, place)
    return (layer,), Place(shape, chosen.grid)


def postponed(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """A linear layer whose quantizer comes after some other steps."""
    layer, shape, chosen = linear(draw, place)
    between: list[Step] = []
    for _ in range(draw(st.integers(0, 2))):
        step, shape = mover(draw, shape)
        between.append(step)
    if isinstance(chosen, Relu) and draw(st.booleans()):
        between.append(PlainRelu(draw(st.booleans())))
    return (replace(layer, activation=None), *between, Quantize(chosen)), Place(shape, chosen.grid)


def shared(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """One layer, or one small model, applied twice."""
    layer, shape, chosen = linear(draw, place, keep_shape=True)
    after = Place(shape, chosen.grid)
    if draw(st.booleans()):
        return (replace(layer, times=2),), after
    more, _, chosen = linear(draw, after, keep_shape=True)
    return (Nested((layer, more), times=2),), Place(shape, chosen.grid)


def nested(draw: Draw, place: Place) -> tuple[Steps, Place]:
    steps, after = some(draw, place, most=2)
    return (Nested(steps),), after


def residual(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """Two branches of one shape and their sum."""
    if draw(st.booleans()):
        layer, _, chosen = linear(draw, place, keep_shape=True)
        step = Sum(((layer,), ()))
        return quantized_sum(draw, step, place.shape, (chosen.grid, place.grid))
    first, shape, one = linear(draw, place)
    second, other = sibling(draw, first)
    return quantized_sum(draw, Sum(((first,), (second,))), shape, (one.grid, other.grid))


def joined(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """Two branches side by side, quantized again."""
    first, shape, one = linear(draw, place)
    second, other = sibling(draw, first)
    if draw(st.booleans()):
        # The quantizer behind both is the only one.
        first, second = (replace(layer, activation=None) for layer in (first, second))
    chosen = activation(draw, integers=(one.integer - 2, one.integer + 2))
    step = Concat(((first,), (second,)))
    return (step, Quantize(chosen)), Place((*shape[:-1], 2 * shape[-1]), chosen.grid)


def requantized(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """Another quantizer on what is quantized already."""
    reach = round(log2(max(place.grid.high, -place.grid.low)))
    chosen = activation(draw, integers=(reach - 3, reach + 1))
    return (Quantize(chosen),), Place(place.shape, chosen.grid)


def quantized_sum(
    draw: Draw, step: Sum, shape: Shape, grids: tuple[Grid, Grid]
) -> tuple[Steps, Place]:
    """A sum and what may come after it: most often a quantized ReLU."""
    exponents = sorted(grid.exponent for grid in grids)
    finest, coarsest = exponents
    span = [(int(g.low * 2.0**-finest), int(g.high * 2.0**-finest)) for g in grids]
    low, high = (sum(ends) for ends in zip(*span, strict=True))
    if high - low <= 255 and draw(st.booleans()):
        exact = Grid(finest, 127 - high, 127 - high + low)
        if chance(draw, 3):
            clipped = Grid(exact.exponent, exact.zero_point, exact.zero_point)
            return (step, PlainRelu(draw(st.booleans()))), Place(shape, clipped)
        return (step,), Place(shape, exact)
    if coarsest - finest <= 6 and chance(draw, 3):
        bits = draw(st.integers(2, 8))
        chosen: Activation = Bits(bits, finest + bits - 1, draw(st.booleans()))
    else:
        bits = draw(st.integers(1, 8))
        least = max(coarsest - 6, finest)
        exponent = draw(st.integers(least, max(least, finest + 6)))
        chosen = Relu(bits, exponent + bits)
    return (step, Quantize(chosen)), Place(shape, chosen.grid)


def mover(draw: Draw, shape: Shape) -> tuple[Step, Shape]:
    """A step that changes no integer, and the shape after it."""
    size = prod(shape)
    steps: list[tuple[Step, Shape]] = [(Dropout(), shape), (Noise(0), shape)]
    if len(shape) == 1:
        steps.append((Reshape((1, size)), (1, size)))
    else:
        axes = draw(st.permutations(range(len(shape))))
        steps.append((Permute(tuple(a + 1 for a in axes)), tuple(shape[a] for a in axes)))
        steps.append((Flatten(), (size,)))
    if len(shape) == 3:
        steps += picture_movers(draw, *shape)
    return draw(st.sampled_from(steps))


def picture_movers(draw: Draw, height: int, width: int, channels: int) -> list[tuple[Step, Shape]]:
    shape = (height, width, channels)
    window = replace(sliding(draw, shape), dilation=(1, 1))
    pool = MaxPool(window.size, window.strides, window.padding)
    keepdims = draw(st.booleans())
    side = st.tuples(st.integers(0, 2), st.integers(0, 2))
    rows, columns = draw(side), draw(side)
    steps: list[tuple[Step, Shape]] = [
        (pool, window.after(shape, channels)),
        (GlobalMax(keepdims), (1, 1, channels) if keepdims else (channels,)),
        (Reshape((height * width, channels)), (height * width, channels)),
    ]
    if max(height, width) <= _LARGEST:
        padded = (height + sum(rows), width + sum(columns), channels)
        factors = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        steps.append((ZeroPad(rows, columns), padded))
        steps.append((UpSample(factors), (height * factors[0], width * factors[1], channels)))
    if sum(rows) < height and sum(columns) < width:
        cropped = (height - sum(rows), width - sum(columns), channels)
        steps.append((Crop(rows, columns), cropped))
    return steps


def moved(draw: Draw, place: Place) -> tuple[Steps, Place]:
    step, shape = mover(draw, place.shape)
    return (step,), replace(place, shape=shape)


def rescaled(draw: Draw, place: Place) -> tuple[Steps, Place]:
    """Values times a power of two, and a layer that takes it in."""
    exponent = draw(st.integers(-4, 4))
    steps, after = plain(draw, place)
    return (Rescale(exponent), *steps), after


def averaged(draw: Draw, place: Place) -> tuple[Steps, Place]:
    height, width, channels = place.shape
    count = height * width
    exact = count & (count - 1) == 0
    keepdims = draw(st.booleans())
    # The average is about as large as what it is taken over.
    reach = place.grid.exponent + 8
    chosen = activation(draw, integers=(reach - 4, reach))
    if height > 1 and width > 1 and chance(draw, 3):
        pooled = (height // 2, width // 2, channels)
        return (LocalAverage((2, 2)), Quantize(chosen)), Place(pooled, chosen.grid)
    step = Average(nearest=not exact or draw(st.booleans()), keepdims=keepdims)
    shape = (1, 1, channels) if keepdims else (channels,)
    return (step, Quantize(chosen)), Place(shape, chosen.grid)


def some(draw: Draw, place: Place, *, most: int) -> tuple[Steps, Place]:
    """One to ``most`` pieces, one after the other."""
    steps: Steps = ()
    for _ in range(draw(st.integers(1, most))):
        pieces = [plain, postponed, residual, moved, shared, rescaled, joined, requantized]
        if place.is_picture:
            pieces.append(averaged)
        if most > 2:
            pieces.append(nested)
        drawn, place = draw(st.sampled_from(pieces))(draw, place)
        steps += drawn
    return steps, place


def first_steps(draw: Draw, shape: Shape) -> tuple[Steps, Place]:
    """What the input may hold: pixels, rescaled or not, or what a noise layer or quantizer says."""
    exponent = draw(st.integers(-8, 0))
    scaling: Steps = (Rescale(exponent),) if exponent else ()
    if not chance(draw, 3):
        return scaling, Place(shape, Grid.pixels(exponent))
    if draw(st.booleans()):
        chosen = activation(draw)
        return (*scaling, Quantize(chosen)), Place(shape, chosen.grid)
    maximum = draw(st.integers(1, 255))
    minimum = maximum - 255  # the range of an int8 tensor: any other is refused
    zero_point = 127 - maximum
    grid = Grid(exponent, zero_point, zero_point + minimum)
    noise = Noise(exponent, minimum, maximum)
    return (*scaling, noise), Place(shape, grid)


@st.composite
def networks(draw: Draw) -> Network:
    """Networks of one to about ten layers."""
    side = st.integers(2, 8) | st.integers(1, 8)
    if chance(draw, 5):
        shape: Shape = (draw(side),)
    else:
        shape = (draw(side), draw(side), draw(st.integers(1, 4)))
    beginning, place = first_steps(draw, shape)
    middle, place = some(draw, place, most=4)
    ending: Steps = ()
    if len(place.shape) > 1 and draw(st.booleans()):
        ending = (Flatten(),)
        place = replace(place, shape=(prod(place.shape),))
    if len(place.shape) == 1 and draw(st.booleans()):
        layer, _, _ = linear(draw, place)
        ending += (layer,)
    if draw(st.booleans()):
        ending += (Softmax(draw(st.booleans())),)
    if len(ending) > 1 and chance(draw, 3):
        ending = (Nested(ending),)
    steps = beginning + middle + ending
    also = None
    if chance(draw, 6):
        ends = [i for i, step in enumerate(steps) if isinstance(step, Quantize)]
        also = draw(st.sampled_from(ends)) if ends else None
    return Network(shape, steps, also)
