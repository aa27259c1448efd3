"""The difference of two shares that were counted on different examples, with an interval."""

import math
from collections.abc import Mapping

from scipy import stats


def unpaired_interval(
    first: tuple[int, int], second: tuple[int, int], *, alpha: float = 0.05
) -> tuple[float, float, float]:
    """``p1 - p2`` of independent samples and its interval at ``1 - alpha``.

    With Wilson's interval ``(l, u)`` of each share, the ends are
    ``d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` and ``d + sqrt((u1 - p1)^2 + (p2 - l2)^2)``. Examples
    count as independent: where they come in groups (clips of one speaker) the truth is wider.

    Args:
        first: count and how many there were.
        second: the same of the other sample.
        alpha: error of both ends together.

    Source:
        Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10.
    """
    (p1, low1, high1), (p2, low2, high2) = _wilson(*first, alpha), _wilson(*second, alpha)
    difference = p1 - p2
    below, above = math.hypot(p1 - low1, high2 - p2), math.hypot(high1 - p1, p2 - low2)
    return difference, difference - below, difference + above


def unpaired_points(first: Mapping[str, int], second: Mapping[str, int]) -> str:
    """First minus second in points, with its interval, of shares as `results.share` makes them."""
    pairs = ((one["count"], one["of"]) for one in (first, second))
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * v for v in unpaired_interval(*pairs)))


def _wilson(count: int, of: int, alpha: float) -> tuple[float, float, float]:
    found = stats.binomtest(count, of).proportion_ci(1 - alpha, method="wilson")
    return count / of, float(found.low), float(found.high)
