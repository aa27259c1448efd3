"""The step of a sum, so that every runtime adds alike."""

from collections.abc import Sequence

# Limits of the ADD kernels: see tflite_export/flatbuffer/operators.py.
_FINEST = 6


def sum_exponent(branches: Sequence[int], wanted: int | None, *, unsigned: bool) -> int | None:
    """The step's log2 of a sum whose branches have given steps.

    A sum may not be more than ``2**6`` finer than a branch; a signed one may not be coarser than
    any, so that finer branches have to be brought onto its step first.

    Args:
        branches: log2 of their steps.
        wanted: of the sum, from its range; None where a ReLU behind it decides.
        unsigned: whether the sum is clipped at zero.
    """
    if wanted is None:
        return None
    return max(wanted, max(branches) - _FINEST)
