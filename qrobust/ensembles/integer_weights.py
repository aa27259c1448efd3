"""Shares of a whole as integers that fit an exact weighted sum."""

from collections.abc import Sequence
from math import gcd

import numpy as np

#: The largest weight that every kernel rounds alike behind (docs/integer_contract.md, Ties).
LARGEST = 31
#: What learned weights add up to: a power of two, so that a mean loses no part of the grid.
TOTAL = 32


def integer_weights(shares: Sequence[float], total: int = TOTAL) -> tuple[int, ...]:
    """Integers in the proportion of some shares, by largest remainders.

    ``w_i = floor(total * s_i / sum s)``, and one more for the largest fractions until they add up
    to ``total`` (the first of equal fractions); then divided by what all have in common.

    Args:
        shares: finite, none negative, not all zero.
        total: what the integers add up to before they are divided, 1 to 32.

    Returns:
        Integers from 0 to 31.

    Raises:
        ValueError: shares or a total that are none.
    """
    parts = np.asarray(shares, np.float64)
    if parts.ndim != 1 or not np.all(np.isfinite(parts)) or parts.min(initial=0) < 0:
        raise ValueError(f"shares are finite numbers, none negative. Received: {list(shares)}")
    if not parts.sum() > 0:
        raise ValueError(f"At least one share is above zero. Received: {list(shares)}")
    if not 1 <= total <= TOTAL:
        raise ValueError(f"total is a whole number from 1 to {TOTAL}. Received: {total}")
    exact = parts / parts.sum() * total
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return reduced([int(weight) for weight in whole])


def reduced(weights: Sequence[int]) -> tuple[int, ...]:
    """The same proportions in the smallest integers."""
    return tuple(weight // gcd(*weights) for weight in weights)


def check_weights(weights: Sequence[int], count: int) -> tuple[int, ...]:
    """Weights as the caller gave them, one for each member, in the smallest integers.

    Raises:
        ValueError: other than ``count`` whole numbers from 0 to 31, or all zero.
    """
    given = list(weights)
    whole = all(isinstance(w, int | np.integer) and not isinstance(w, bool) for w in given)
    if len(given) != count or not whole or not any(given) or min(given) < 0:
        raise ValueError(
            f"weights are {count} whole numbers, one for each member, none negative and not all "
            f"zero. Received: {given}"
        )
    smallest = reduced([int(weight) for weight in given])
    if max(smallest) > LARGEST:
        raise ValueError(
            f"weights are at most {LARGEST} in their smallest form, or kernels would round the sum "
            f"differently; qrobust.ensembles.integer_weights finds close ones. Received: {given}"
        )
    return smallest
