"""The discrete Gaussian's distribution function in integers."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

from qrobust.certify.gaussian import power_series

_MAX_PRECISION = 1 << 14


def cdf_floors(sigma: Fraction, span: int, bits: int) -> tuple[int, ...]:
    r"""Return ``floor(2**bits * P(N <= v))`` for ``v`` in ``[-span, span)``, exactly.

    .. math:: P(N = k) = e^{-k^2 / 2 \sigma^2} / \sum_j e^{-j^2 / 2 \sigma^2}

    Weights follow from ``w_(k+1) = w_k q^(2k+1)``, ``q = exp(-1 / (2 sigma^2))``, once with every
    rounding down and once up; precision grows until both ends have the same floors.

    Args:
        sigma: scale, positive.
        span: where to stop, on both sides.
        bits: fraction bits of the result.

    References:
        Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, 2020.
    """
    precision = 2 * bits
    while precision < _MAX_PRECISION:
        low, high = _tails(sigma, span, precision)
        floors = [
            [
                (inside[m] << bits) // (inside[m] + outside[0] + outside[1] - outside[m])
                for m in range(1, span + 1)
            ]
            for inside, outside in ((low, high), (high, low))
        ]
        if floors[0] == floors[1]:
            # P(N <= -m) for m = span ... 1; the other half by symmetry, never a whole number.
            lower = floors[0][::-1]
            return (*lower, *((1 << bits) - 1 - floor for floor in reversed(lower)))
        precision *= 2
    raise ArithmeticError(f"the discrete Gaussian of sigma {sigma} does not settle")


def _tails(sigma: Fraction, span: int, precision: int) -> tuple[list[int], list[int]]:
    """Lower and upper bounds of ``2**precision * sum(w_k for k >= m)``, ``m`` from 0 to ``span``.

    With ``T_m`` such a tail, all weights together are ``T_0 + T_1``.
    """
    one = 1 << precision
    exponent = 1 / (2 * sigma * sigma)
    q_low, q_high = 0, 1  # exp(-precision) is below 2**-precision
    if exponent < precision:
        exp_low, exp_high = power_series(Fraction(1), exponent, 1, 1, precision)
        q_low, q_high = one * one // exp_high, -(-one * one // exp_low)
    low, high = [one], [one]
    step_low, step_high = q_low, q_high
    square_low, square_high = q_low * q_low >> precision, -(-q_high * q_high >> precision)
    while high[-1] > 1 or len(high) <= span + 1:
        low.append(low[-1] * step_low >> precision)
        high.append(-(-high[-1] * step_high >> precision))
        step_low = step_low * square_low >> precision
        step_high = -(-step_high * square_high >> precision)
    # What follows weight K is at most the integral of exp(-x^2 / 2 sigma^2) from K on.
    last = len(high) - 1
    high[-1] += 1 + high[-1] * (sigma * sigma / last).__ceil__()
    return (
        list(accumulate(reversed(low)))[::-1][: span + 1],
        list(accumulate(reversed(high)))[::-1][: span + 1],
    )
