"""Inputs as integers of a grid: the one place where a certifier's and an attack's inputs round."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError

#: A grid of fewer steps than this may well hold data that use one or two of them.
_COARSE = 31


def grid_integers(
    x: NDArray[Any],
    *,
    low: int,
    high: int,
    step: float,
    where: str,
    hint: str,
    batch: bool = False,
) -> NDArray[np.int16]:
    """Integers as they are, real values as ``floor(x / step + 1/2)``.

    Args:
        x: one input, or a batch of them; integers or floats.
        low: least integer of the grid (LSB).
        high: greatest integer of the grid (LSB).
        step: real value of one LSB.
        where: what ``x`` is called, for error messages.
        hint: what helps a caller whose real values are in other units.
        batch: whether the first axis counts images, so that an error says which one.

    Returns:
        int16 of the shape of ``x``, every value in ``low .. high``.

    Raises:
        CertifyError: no numbers, NaN or infinity, values off the grid, or real values in other
            units: pictures divided by 255 would become 0 and 1.
    """
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise CertifyError(f"{where} holds NaN or infinity; clean the data first")
        steps = x.astype(np.float64) / step
        if high - low > _COARSE and collapses(steps):
            raise CertifyError(
                f"{where} holds {x.min():g} to {x.max():g}, {len(np.unique(x))} values that fall "
                f"onto one or two steps of the input grid, [{low * step:g}, {high * step:g}] (1 "
                f"LSB = {step:g}). Give grid integers, or real values on the model's own scale; "
                f"{hint}"
            )
        wide = np.floor(steps + 0.5)
    elif x.dtype.kind in "iu":
        wide = x
    else:
        raise CertifyError(f"{where} has dtype {x.dtype}; give integers or floats")
    off = (wide < low) | (wide > high)
    if off.any():
        one = f"image {np.nonzero(off)[0][0]} of {where}" if batch else where
        raise CertifyError(
            f"{one} holds {wide[off].flat[0]:g} LSB, off the model's input grid [{low}, {high}] (1 "
            f"LSB = {step:g}); {int(off.sum())} of {x.size} values are off it. Give grid integers, "
            "or real values on the model's own scale"
        )
    integers: NDArray[np.int16] = wide.astype(np.int16)
    return integers


def collapses(steps: NDArray[np.float64]) -> bool:
    """Whether one input's real values, in steps of a fine grid, all fall onto one or two steps.

    Whole steps are meant, however few; other values so small are in units of something else.
    """
    if not steps.size or np.abs(steps).max() > 2:
        return False
    whole = np.floor(steps + 0.5)
    return bool((steps != whole).any() and len(np.unique(steps)) > len(np.unique(whole)))
