"""Rounded arithmetic of the checker: the normal law, and numbers that only ever err to one side."""

from fractions import Fraction
from functools import lru_cache
from math import prod

#: Probabilities are compared in units of ``2**-48``, numbers kept to 128 bits.
UNIT = 1 << 48
_BITS = 128

#: ``floor(2**320 / sqrt(2 pi))``.
_INVERSE_ROOT_TAU = int(
    "662114cf50d942343f2cf1402eae38bfd3829f30512706d8c0471b4802639d2e9df8ac55447d3db7",
    16,
)


@lru_cache(maxsize=1 << 14)
def normal_cdf(x: Fraction, bits: int) -> tuple[int, int]:
    r"""Return integers ``low <= 2**bits Phi(x) <= high``, equal or neighbours.

    .. math:: \Phi(x) = \frac12 + \frac{1}{\sqrt{2\pi}}
              \sum_{k \ge 0} \frac{(-1)^k x^{2k+1}}{2^k k! (2k+1)}

    (Abramowitz and Stegun, 26.2.10). Powers are kept as an interval, each rounding outwards.
    """
    whole = 1 << bits
    if x < 0:
        low, high = normal_cdf(-x, bits)
        return whole - high, whole - low
    if x * x >= 2 * bits:
        return whole - 1, whole  # 1 - Phi(x) <= exp(-x^2/2) / 2 < 2**-bits
    places = 2 * bits + 64 + int(x * x)  # the largest power is below exp(x^2/2) < 2**(x^2)
    square = x * x
    low = (x.numerator << places) // x.denominator
    high = low + 1
    sum_low, sum_high, k = 0, 0, 0
    while high > 1 or square > 2 * k:  # past that, powers more than halve
        first, last = low // (2 * k + 1), -(-high // (2 * k + 1))
        sum_low, sum_high = (
            (sum_low + first, sum_high + last) if k % 2 == 0 else (sum_low - last, sum_high - first)
        )
        k += 1
        low = low * square.numerator // (2 * k * square.denominator)
        high = -(-high * square.numerator // (2 * k * square.denominator))
    # The rest of an alternating series of falling terms is less than the first one left out.
    sum_low, sum_high = max(sum_low - high, 0), sum_high + high
    shift = 320 + places - bits
    below = sum_low * _INVERSE_ROOT_TAU >> shift
    above = -(-sum_high * (_INVERSE_ROOT_TAU + 1) >> shift)
    return (whole >> 1) + below, (whole >> 1) + above


class Rounded:
    """A positive number ``mantissa * 2**exponent``, rounded up, or down, whenever it grows long."""

    def __init__(self, mantissa: int, exponent: int, *, up: bool) -> None:
        extra = max(mantissa.bit_length() - _BITS, 0)
        self.mantissa = -(-mantissa >> extra) if up else mantissa >> extra
        self.exponent, self.up = exponent + extra, up

    def times(self, other: "Rounded") -> "Rounded":
        """Return the product, rounded to the same side."""
        exponent = self.exponent + other.exponent
        return Rounded(self.mantissa * other.mantissa, exponent, up=self.up)

    def fraction(self) -> Fraction:
        """Return the exact value of what is kept."""
        return self.mantissa * Fraction(2) ** self.exponent


def power(base: int, exponent: int, *, up: bool) -> Rounded:
    """Return ``base**exponent``, rounded to one side."""
    result, square = Rounded(1, 0, up=up), Rounded(base, 0, up=up)
    for bit in bin(exponent)[:1:-1]:
        result = result.times(square) if bit == "1" else result
        square = square.times(square)
    return result


def bernoulli(p: int, n: int, k: int, *, up: bool) -> Rounded:
    """Return ``p**k (2**48 - p)**(n - k)``, rounded to one side; ``p`` in units of ``2**-48``."""
    return power(p, k, up=up).times(power(UNIT - p, n - k, up=up))


def choose(n: int, k: int) -> Rounded:
    """Return no less than the binomial coefficient."""
    least, result = min(k, n - k), Rounded(1 << _BITS, -_BITS, up=True)
    for i in range(0, least, 64):
        end = min(i + 64, least)
        top, bottom = prod(range(n - end + 1, n - i + 1)), prod(range(i + 1, end + 1))
        result = Rounded(-(-result.mantissa * top // bottom), result.exponent, up=True)
    return result


@lru_cache(maxsize=1 << 14)
def tail(n: int, k: int, p: int, weight: Fraction) -> Fraction:
    r"""Return no less than ``P(X > k) + weight P(X = k)`` for ``X ~ Bin(n, p / 2**48)``.

    .. math:: \binom{n}{k} p^k q^{n-k} \left(w + r_k + r_k r_{k+1} + \dots\right),
              \qquad r_i = \frac{(n - i) p}{(i + 1) q}

    Ratios fall, so once they are below 1 a geometric series bounds the rest. Where they are not
    (``k <= n p``) the answer is 1.
    """
    q = UNIT - p
    if k * UNIT <= n * p or q == 0:
        return Fraction(1)
    term = 1 << _BITS
    total = -(-weight.numerator * term // weight.denominator)
    for i in range(k, n):
        top, bottom = (n - i) * p, (i + 1) * q
        term = -(-term * top // bottom)
        total += term
        if term < 1 << 32:  # no later ratio is larger than this one
            total += -(-term * top // (bottom - top))
            break
    first = choose(n, k).times(bernoulli(p, n, k, up=True))
    return first.times(Rounded(total, -_BITS - 48 * n, up=True)).fraction()
