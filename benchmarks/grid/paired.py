"""Differences of what was counted on the same images: shares exactly, means by Student's t."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: Of alpha, what the interval of the discordant share costs (Berger & Boos 1994).
_NUISANCE = 0.001
_GRID = 9
_HALVINGS = 15


def paired_interval(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, alpha: float = 0.05
) -> tuple[float, float, float]:
    """``mean(first) - mean(second)`` and its two-sided exact interval at ``1 - alpha``.

    Of n images, each better under the first (p10), under the second (p01), or neither:
    ``D = n10 - n01`` is compared with its law for every difference ``delta = p10 - p01`` and every
    discordant share ``psi = p10 + p01`` in a Clopper-Pearson interval of level ``1 - 0.001``, whose
    error is added to both tails. Unconditional: it covers whatever psi is (up to the grid of psi).

    Returns:
        The difference and the interval's ends, in [-1, 1].
    """
    n = len(first)
    up, down = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    together, difference = up + down, up - down
    share = stats.binomtest(together, n).proportion_ci(1 - _NUISANCE, method="exact")
    shares = np.linspace(share.low, share.high, _GRID)
    level = alpha / 2 - _NUISANCE
    low = _last(lambda delta: _tail(n, difference, delta, shares) <= level, -1.0, difference / n)
    high = -_last(
        lambda delta: _tail(n, -difference, delta, shares) <= level, -1.0, -difference / n
    )
    return difference / n, low, high


def mean_interval(
    first: NDArray[np.float64], second: NDArray[np.float64], *, alpha: float = 0.05
) -> tuple[float, float, float]:
    """``mean(first) - mean(second)`` of a number in [0, 1] for each image, with an interval.

    The paired t-interval, approximate by the central limit theorem, and never narrower than what no
    sample excludes: images of a kind that was not drawn, at most ``1 - (alpha / 2) ** (1 / n)`` of
    all, may differ by a whole point. That is what is left where few images differ, or none.
    """
    gains = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    mean, unseen = float(gains.mean()), 1 - (alpha / 2) ** (1 / len(gains))
    low = high = mean
    if len(gains) > 1 and gains.std():
        low, high = stats.ttest_rel(first, second).confidence_interval(1 - alpha)
    return mean, max(-1.0, min(low, mean - unseen)), min(1.0, max(high, mean + unseen))


def points(difference: float, low: float, high: float) -> str:
    """A difference of shares and its interval, in points."""
    return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def paired_points(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> str:
    """``paired_interval`` in words, in points."""
    return points(*paired_interval(first, second))


def _tail(n: int, difference: int, delta: float, shares: NDArray[np.float64]) -> float:
    """The largest ``P(D >= difference)`` over the discordant shares that delta allows."""
    allowed = shares[shares >= abs(delta)]
    if not len(allowed):
        return 0.0
    discordant = np.arange(n + 1)
    least = (discordant + difference + 1) // 2  # n10 - n01 >= d among m is n10 >= (m + d) / 2
    worst = 0.0
    for psi in allowed:
        favour = 0.5 if psi == 0 else np.clip((1 + delta / psi) / 2, 0, 1)
        beyond = stats.binom.sf(least - 1, discordant, favour)
        worst = max(worst, float(stats.binom.pmf(discordant, n, psi) @ beyond))
    return worst


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest delta at which a test still rejects, by halving; it rejects below."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
