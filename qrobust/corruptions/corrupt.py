"""Corrupt integer inputs; the same for one seed, whatever the batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.corruptions.kind import Kind
from qrobust.corruptions.pictures import PICTURES
from qrobust.corruptions.sounds import SOUNDS

#: Every kind by name.
KINDS: dict[str, Kind] = {**PICTURES, **SOUNDS}
#: Weakest first.
STRENGTHS = (1, 2, 3, 4, 5)


def corrupt(
    x: NDArray[Any], kind: str, strength: int, *, seed: int = 0, start: int = 0
) -> NDArray[Any]:
    """Return corrupted inputs of the same shape and dtype.

    Real results are rounded half up and clipped to the dtype. Input ``i`` draws from a generator
    of (seed, the kind's number, ``start + i``), and not of the strength: a stronger corruption is
    the same one, stronger, and no input depends on its neighbours.

    Args:
        x: pictures, uint8[n, height, width, 1 or 3]; or sounds, int16[n, samples].
        kind: a name of `KINDS`.
        strength: 1 to 5.
        seed: of what is random, at least 0.
        start: index of the first input.

    Raises:
        ValueError: an unknown kind, another strength, inputs of another dtype or shape, or a
            package that this kind needs and that is not installed.
    """
    chosen = KINDS.get(kind)
    if chosen is None:
        raise ValueError(f"a corruption is one of {', '.join(KINDS)}. Received: {kind!r}")
    if strength not in STRENGTHS:
        raise ValueError(f"a strength is one of 1 to 5. Received: {strength!r}")
    x = np.asarray(x)
    _check(x, kind)
    if not available(kind):
        raise ValueError(f"{kind} needs {chosen.needs}. pip install pillow, or leave it out")
    given, changed = chosen.strengths[strength - 1], np.empty_like(x)
    limits = np.iinfo(x.dtype)
    for i, one in enumerate(x):
        rng = np.random.default_rng((seed, chosen.number, start + i))
        real = chosen.change(one.astype(np.float64), given, rng)
        changed[i] = np.clip(np.floor(real + 0.5), limits.min, limits.max)
    return changed


def _check(x: NDArray[Any], kind: str) -> None:
    if kind in PICTURES:
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3):
            raise ValueError(
                f"{kind} is of pictures, uint8 of shape (n, height, width, 1 or 3). Received: "
                f"{x.dtype} of shape {x.shape}"
            )
    elif x.dtype != np.int16 or x.ndim != 2:
        raise ValueError(
            f"{kind} is of sound, int16 of shape (n, samples). Received: {x.dtype} of shape "
            f"{x.shape}"
        )


def available(kind: str) -> bool:
    """Whether all that a kind needs is installed."""
    needs = KINDS[kind].needs
    if not needs:
        return True
    from importlib.util import find_spec

    return find_spec(needs) is not None
