"""Operators that only move integers, as strided copies."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from tflite_export.errors import ExportError
from tflite_export.graph import Concatenate, Crop, Operator, Pad, ResizeNearest, Shape, Transpose

MAX_AXES = 5


@dataclass(frozen=True)
class Axis:
    """One loop of a copy: how often, and the elements from one round to the next."""

    extent: int
    in_step: int
    out_step: int


@dataclass(frozen=True)
class Move:
    """A copy of one input into the output.

    Attributes:
        axes: loops, the outermost first; always ``MAX_AXES``.
        in_start: first element read.
        out_start: first element written.
    """

    axes: tuple[Axis, ...]
    in_start: int = 0
    out_start: int = 0


def moves_of(operator: Operator) -> list[Move]:
    """One copy for each input of the operator.

    Raises:
        ExportError: more axes than the C loops over.
    """
    source, output = operator.inputs[0].shape, operator.output.shape
    in_steps, out_steps = _steps(source), _steps(output)
    if isinstance(operator, Pad):
        before = [pair[0] for pair in operator.paddings]
        return [_move(operator, zip(source, in_steps, out_steps, strict=True), 0, before)]
    if isinstance(operator, Crop):
        start = sum(p[0] * step for p, step in zip(operator.crops, in_steps, strict=True))
        return [_move(operator, zip(output, in_steps, out_steps, strict=True), start)]
    if isinstance(operator, Transpose):
        steps = [in_steps[axis] for axis in operator.axes]
        return [_move(operator, zip(output, steps, out_steps, strict=True), 0)]
    if isinstance(operator, ResizeNearest):
        return [_move(operator, _repeats(source, operator.factors), 0)]
    if isinstance(operator, Concatenate):
        moves, place = [], 0
        for tensor in operator.inputs:
            before = [0] * len(output)
            before[operator.axis] = place
            place += tensor.shape[operator.axis]
            loops = zip(tensor.shape, _steps(tensor.shape), out_steps, strict=True)
            moves.append(_move(operator, loops, 0, before))
        return moves
    raise TypeError(f"{type(operator).__name__} does not only move integers")


def _steps(shape: Shape) -> list[int]:
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _repeats(source: Shape, factors: tuple[int, int]) -> list[tuple[int, int, int]]:
    height, width, channels = source
    rows, columns = factors
    line = width * columns * channels
    return [
        (height, width * channels, rows * line),
        (rows, 0, line),
        (width, channels, columns * channels),
        (columns, 0, channels),
        (channels, 1, 1),
    ]


def _move(
    operator: Operator,
    loops: Iterable[tuple[int, int, int]],
    in_start: int,
    before: list[int] | None = None,
) -> Move:
    steps = _steps(operator.output.shape)
    out_start = sum(b * step for b, step in zip(before or [0] * len(steps), steps, strict=True))
    axes: list[Axis] = []
    for axis in (Axis(*loop) for loop in loops):
        if axis.extent == 1:
            continue
        outer = axes[-1] if axes else None
        if (
            outer is not None
            and outer.in_step == axis.in_step * axis.extent
            and outer.out_step == axis.out_step * axis.extent
        ):  # both sides go on without a gap: one longer loop
            axes[-1] = Axis(outer.extent * axis.extent, axis.in_step, axis.out_step)
        else:
            axes.append(axis)
    if len(axes) > MAX_AXES:
        raise ExportError(
            f"{operator.output.name}: moves {len(axes)} axes apart; the C moves {MAX_AXES}."
        )
    # A loop of one round has no step to take; the innermost may be copied as a row.
    missing = (Axis(1, 1, 1),) * (MAX_AXES - len(axes))
    return Move((*missing, *axes), in_start, out_start)
