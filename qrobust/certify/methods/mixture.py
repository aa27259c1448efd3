"""The mean of likelihood ratios that tests and bounds watch the votes with, decided in integers."""

from __future__ import annotations

from fractions import Fraction

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS
from qrobust.certify.arithmetic.intervals import Scaled, power
from qrobust.certify.arithmetic.last_true import last_true

_ONE = 1 << PROBABILITY_BITS
_BITS = 128


def alternatives_above(p0: int) -> list[int]:
    """Return the 14 ``q > p0`` that are mixed over, in units of ``2**-48`` as ``p0`` is.

    ``p0 + 2**-i (1 - p0)`` for ``i = 1..8`` and ``1 - 2**-i (1 - p0)`` for ``i = 2..7``, the
    products with ``1 - p0`` rounded down.
    """
    above = [p0 + ((_ONE - p0) >> i) for i in range(1, 9)]
    return above + [_ONE - ((_ONE - p0) >> i) for i in range(2, 8)]


class Mixture:
    """Decides ``mean over q of (q/p0)^k ((1-q)/(1-p0))^(n-k) >= 1/level``, rounding against it."""

    def __init__(self, alternatives: list[int], p0: int, n: int, level: Fraction) -> None:
        self._alternatives, self._p0, self._n, self._level = alternatives, p0, n, level

    def falls_short(self, k: int) -> bool:
        """Whether ``k`` of ``n`` votes do not reach it."""
        return not self.reaches(k)

    def reaches(self, k: int) -> bool:
        """Whether ``k`` of ``n`` votes reach it."""
        ratios = [_bernoulli(q, self._n, k) for q in self._alternatives]
        null = _bernoulli(self._p0, self._n, k)
        # Sum the lower ends exactly: sum * level >= count * null, all in units of 2**floor.
        floor = min(null.exponent, *(r.exponent for r in ratios))
        total = sum(r.low << (r.exponent - floor) for r in ratios)
        needed = (null.high << (null.exponent - floor)) * len(ratios)
        return total * self._level.numerator >= needed * self._level.denominator


def least_accepting(p0: int, level: Fraction) -> int:
    """Return the fewest unanimous votes that are accepted against ``p0``."""
    above = alternatives_above(p0)
    high = 1
    while not Mixture(above, p0, high, level).reaches(high):
        high *= 2
    return last_true(lambda n: not Mixture(above, p0, n, level).reaches(n), 0, high, high) + 1


def _bernoulli(p: int, n: int, k: int) -> Scaled:
    """Enclose ``p**k (2**48 - p)**(n - k)``."""
    return power(p, k, _BITS).times(power(_ONE - p, n - k, _BITS), _BITS)
