"""What a model's inputs hold: names for the usual conventions, and data that do not fit.

A grid that is wrong by a factor exports without an error and computes nonsense: pictures divided by
255 become 0 or 1 on a grid of pixels. So a grid that nobody stated is called assumed, and data that
collapse on a grid are refused with the argument that helps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export.errors import ExportError
from tflite_export.grid import Grid, covering_grid

#: Conventions by name: pictures as they are, divided by 255 or 256, and scaled to -1 .. 1.
CONVENTIONS = {
    "pixels": Grid.pixels(),
    "unit": Grid.unsigned(8, -8),
    "signed": Grid.signed(8, -7),
}
#: Take the grid from the data that are given beside it.
FROM_DATA = "data"

# Data that reach this many steps of their grid, or fewer, leave most of it unused.
_FEW_STEPS, _FEW_STEPS_ASSUMED = 8, 32
_VALUES_A_STEP = 2
_FINE = 32
# Values beyond an assumed grid: resized pictures overshoot a little, other units do not.
_MOST_OUTSIDE = 0.01
_MOST_BEYOND = 0.5


def input_grid_named(value: Grid | str, data: npt.NDArray[Any] | None = None) -> Grid:
    """A grid, or the one that a name stands for.

    Args:
        value: a grid; "pixels" (0 .. 255), "unit" (0 .. 1), "signed" (-1 .. 1), or "data".
        data: real values, for "data".

    Raises:
        ValueError: an unknown name, or "data" without any.
    """
    if isinstance(value, Grid):
        return value
    if value == FROM_DATA and data is not None:
        return inferred_grid(data)
    if value not in CONVENTIONS:
        known = ", ".join(map(repr, CONVENTIONS))
        raise ValueError(
            f"input_grid is a Grid, one of {known}, or '{FROM_DATA}' beside inputs to take it "
            f"from. Received: {value!r}"
        )
    return CONVENTIONS[value]


def inferred_grid(data: npt.NDArray[Any]) -> Grid:
    """The first convention that holds all of some data, else the finest 8-bit grid that does."""
    name = fitting_convention(data)
    if name is not None:
        return CONVENTIONS[name]
    return covering_grid(float(data.min()), float(data.max()))


def fitting_convention(data: npt.NDArray[Any]) -> str | None:
    """The name of the convention that data follow; pixels only if all are whole numbers."""
    if not data.size:
        return None
    low, high = float(data.min()), float(data.max())
    if low >= 0 and high <= 255 and _on_grid(data, CONVENTIONS["pixels"]):
        return "pixels"
    if low >= 0 and high <= 1:
        name = "unit"
    elif low >= -1 and high <= 1:
        name = "signed"
    elif low >= -1 and 32 < high <= 256:
        name = "pixels"  # resized pictures are no whole numbers and still pixels
    else:
        return None
    return None if misfit(data, CONVENTIONS[name]) else name


def described(grid: Grid) -> str:
    """A grid in the caller's units: "0 to 255 in steps of 1 (pixels)"."""
    name = next((f" ({n})" for n, known in CONVENTIONS.items() if known == grid), "")
    return f"{grid.low:g} to {grid.high:g} in steps of {grid.step:g}{name}"


def misfit(data: npt.NDArray[Any], grid: Grid) -> str | None:
    """Why real inputs cannot be meant for a grid, in words; None when they can.

    Args:
        data: real values.
        grid: ``assumed`` grids are looked at more closely.
    """
    if not data.size:
        return None
    steps = data.astype(np.float64) * 2.0**-grid.exponent
    few = _FEW_STEPS_ASSUMED if grid.assumed else _FEW_STEPS
    held = f"hold {data.min():g} to {data.max():g}"
    near = float(np.abs(steps).max()) <= few
    # Far from zero, too: an offset that the grid spends its range on. One flat picture is none.
    flat = float(np.ptp(steps)) <= _FEW_STEPS
    if grid.levels >= _FINE and (near or flat) and not _on_grid(data, grid):
        left = len(np.unique(grid.quantize(data)))
        if near or len(np.unique(data)) >= _VALUES_A_STEP * left:
            return f"{held} and become {left} different integers on the grid {described(grid)}"
    low, high = grid.minimum - grid.zero_point - 0.5, grid.maximum - grid.zero_point + 0.5
    outside = float(np.mean((steps < low) | (steps > high)))
    if grid.assumed and outside > _MOST_OUTSIDE:
        return f"{held}, and {outside:.0%} of them lie outside the grid {described(grid)}"
    # A stated grid may clip, but not most of what there is: those are other units. Zeros, of which
    # pictures are full, lie on every grid and say nothing.
    told = steps[steps != 0]
    beyond = float(np.mean((told < low) | (told > high))) if told.size else 0.0
    if beyond > _MOST_BEYOND:
        return f"{held}, and {beyond:.0%} of what is not 0 lies outside the grid {described(grid)}"
    return None


def remedy(data: npt.NDArray[Any]) -> str:
    """The argument that makes data fit: ``input_grid="unit"``; where none does, what to change."""
    name = fitting_convention(data)
    if name is not None:
        return f'Pass input_grid="{name}"'
    grid = inferred_grid(data)
    if misfit(data, grid) is not None:
        return (
            f"No grid of 256 steps that holds 0 tells them apart. Subtract about "
            f"{float(np.mean(data)):g} from the data (and add it to what reads them)"
        )
    held = described(grid)
    return f'Pass input_grid="{FROM_DATA}" to take it from the data ({held})'


def check_inputs(
    arrays: Sequence[npt.NDArray[Any]], grids: Sequence[Grid], names: Sequence[str]
) -> None:
    """Refuse real inputs that are not meant for their grids.

    Raises:
        ExportError: with the argument to pass.
    """
    for data, grid, name in zip(arrays, grids, names, strict=True):
        problem = misfit(data, grid)
        if problem is None:
            continue
        said = "which was assumed: nothing says what the input holds" if grid.assumed else "its own"
        raise ExportError(
            f"Input '{name}': the inputs given {problem}, {said}. {remedy(data)}, or give inputs "
            f"in the model's units."
        )


def _on_grid(data: npt.NDArray[Any], grid: Grid) -> bool:
    steps = data.astype(np.float64) * 2.0**-grid.exponent
    return bool(np.all(steps == np.rint(steps)))
