"""QKeras's search for ternary levels and their scale, as one function."""

from typing import Any

from keras import ops

from qrobust.quantizers.rounding import covering_step

#: QKeras's: how often scale and threshold follow each other.
UNROLLS = 5
# Keras's own epsilon, which QKeras adds before it divides and takes logarithms.
_EPSILON = 1e-7


def ternary_levels(
    kernel: Any, axes: tuple[int, ...], *, unrolls: int = UNROLLS, ties: bool = False
) -> tuple[Any, Any]:
    """Levels -1, 0, 1 and the power of two that they are worth, as QKeras's ``alpha="auto_po2"``.

    Starts at ``s = po2(2/3 max |w|)``, exact for uniform weights, and then ``unrolls`` times::

        q = sign(w) [|w| > s / 2],   s = po2(mean(w q) / mean(q q))

    ``po2`` the nearest power of two in the geometric sense, the quotient the scale of least squared
    error for q. The q that is returned is of the last but one s, as in QKeras.

    Args:
        kernel: float32 weights, constant to gradients.
        axes: that one scale spans.
        unrolls: rounds, at least one.
        ties: whether a weight on the threshold counts: QKeras's ``stochastic_ternary`` says yes,
            its ``ternary``, which rounds half to even, no.

    Returns:
        The levels, of the kernel's shape, and the scales, which broadcast against it.

    Source:
        QKeras, ``quantizers.py``, ``ternary`` and ``_get_least_squares_scale``; Li & Liu 2016.
    """
    sizes = ops.abs(kernel)
    scale = _power_of_two(ops.max(sizes, axes, keepdims=True) * (2 / 3))
    levels = ops.zeros_like(kernel)
    for _ in range(unrolls):
        beyond = sizes >= scale / 2 if ties else sizes > scale / 2
        levels = ops.sign(kernel) * ops.cast(beyond, kernel.dtype)
        both = ops.mean(kernel * levels, axes, keepdims=True)
        scale = _power_of_two(both / (ops.mean(ops.square(levels), axes, keepdims=True) + _EPSILON))
    return levels, scale


def _power_of_two(scale: Any) -> Any:
    """``2**round(log2(scale + 1e-7))``, by comparisons, see ``covering_step``."""
    return covering_step((scale + _EPSILON) * 0.5**0.5, largest=1)
