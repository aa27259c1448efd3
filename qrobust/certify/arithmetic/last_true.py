"""Exact search on integers for a predicate that turns from true to false once."""

from __future__ import annotations

from collections.abc import Callable


def last_true(holds: Callable[[int], bool], low: int, high: int, guess: int) -> int:
    """Return the largest integer in ``[low, high)`` at which ``holds``.

    A good guess makes it fast and a bad one only slow: the bracket gallops away from the guess
    in doubling steps and is then halved. ``holds(low)`` is taken as true and ``holds(high)`` as
    false; neither is evaluated.

    Args:
        holds: true up to some integer and false after it.
        low: an integer at which it is known to hold.
        high: an integer above ``low`` at which it is known not to hold.
        guess: where the answer is expected, clipped into the bracket.

    Returns:
        The last integer at which ``holds`` is true.
    """
    if low >= high:
        raise ValueError(f"an empty bracket: low={low}, high={high}")
    step = 1
    probe = min(max(guess, low), high - 1)
    upwards = probe == low or holds(probe)
    if upwards:
        low = max(low, probe)
    else:
        high = probe
    while high - low > 1:
        probe = low + step if upwards else high - step
        if not low < probe < high:
            break
        if holds(probe):
            low = probe
            if not upwards:
                break
        else:
            high = probe
            if upwards:
                break
        step *= 2
    while high - low > 1:
        probe = (low + high) // 2
        if holds(probe):
            low = probe
        else:
            high = probe
    return low
