"""Numbers ``(p + s sqrt(d)) / q``: exactly equal or certainly apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import gcd, isqrt

#: Enclosures are in units of ``2**-BITS``.
BITS = 120


@dataclass(frozen=True)
class Surd:
    """``(p + s sqrt(d)) / q`` in its one canonical form; equality is equality of numbers.

    Attributes:
        p: integer.
        s: integer, 0 for rationals.
        d: squarefree, 1 for rationals.
        q: positive; the greatest common divisor of p, s and q is 1.
    """

    p: int
    s: int
    d: int
    q: int

    def bounds(self) -> tuple[int, int]:
        """Return integers with ``low < 2**BITS * self < high``, at most a few units apart."""
        root = isqrt(self.s * self.s * self.d << 2 * BITS)
        least = root if self.s >= 0 else -root - 1
        numerator = (self.p << BITS) + least
        return numerator // self.q - 1, -((-numerator - 1) // self.q) + 1


def surd(p: int, s: int, radicand: int, q: int) -> Surd:
    """Return ``(p + s sqrt(radicand)) / q`` for a radicand >= 0 and q != 0."""
    square, d = _squarefree(radicand)
    s *= square
    if d == 1:
        p, s = p + s, 0
    if s == 0:
        d = 1
    common = gcd(p, s, q) * (1 if q > 0 else -1)
    return Surd(p // common, s // common, d, q // common)


@cache
def _squarefree(n: int) -> tuple[int, int]:
    """``n = square**2 * d`` with d squarefree; 0 gives (0, 1)."""
    if n == 0:
        return 0, 1
    square, divisor = 1, 2
    while divisor * divisor <= n:
        while n % (divisor * divisor) == 0:
            n //= divisor * divisor
            square *= divisor
        divisor += 1
    return square, n
