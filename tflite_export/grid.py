"""Power-of-two grids: the only home of grid arithmetic.

A quantized tensor holds 8-bit integers ``q``; its real values are ``(q - zero_point) * step`` with
``step = 2**exponent`` exactly. Scales that are no power of two are out of scope here.
"""

from dataclasses import dataclass, field, replace
from math import ceil, log2

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

INT8_MIN = -128
INT8_MAX = 127


@dataclass(frozen=True)
class Grid:
    """The integers a tensor may hold and what they mean.

    ``real = (q - zero_point) * 2**exponent`` for ``minimum <= q <= maximum``.

    Grids of quantizers (`unsigned`, `signed`) end at the top of int8 (127), so that a kernel's own
    saturation is the upper clip, whatever the number of bits; the zero point makes room below.

    Attributes:
        exponent: log2 of the step.
        zero_point: the integer that stands for 0.0.
        minimum: smallest integer, >= -128.
        maximum: largest integer, <= 127.
        assumed: of an input, that neither the model nor the caller said so; grids that differ in
            nothing else are equal.
    """

    exponent: int
    zero_point: int
    minimum: int = INT8_MIN
    maximum: int = INT8_MAX
    assumed: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse grids that int8 cannot hold."""
        if not INT8_MIN <= self.minimum < self.maximum <= INT8_MAX:
            raise ValueError(
                f"A grid needs -128 <= minimum < maximum <= 127. Received: "
                f"minimum={self.minimum}, maximum={self.maximum}"
            )
        if not self.minimum <= self.zero_point <= self.maximum:
            raise ValueError(
                f"The zero point must lie on the grid, so that 0.0 (padding) is exact. Received: "
                f"zero_point={self.zero_point}, minimum={self.minimum}, maximum={self.maximum}"
            )

    @classmethod
    def unsigned(cls, bits: int, exponent: int) -> "Grid":
        """``quantized_relu``: ``q' = q - zero_point`` in ``0 .. 2**bits - 1``, 1 to 8 bits."""
        _check_bits(bits, smallest=1)
        zero_point = 128 - 2**bits
        return cls(exponent, zero_point, zero_point)

    @classmethod
    def signed(cls, bits: int, exponent: int, *, symmetric: bool = False) -> "Grid":
        """``quantized_bits``: ``q'`` in ``-2**(bits-1) .. 2**(bits-1) - 1``, 2 to 8 bits.

        ``symmetric`` leaves out the lowest integer.
        """
        _check_bits(bits, smallest=2)
        zero_point = 128 - 2 ** (bits - 1)
        return cls(exponent, zero_point, 128 - 2**bits + int(symmetric))

    @classmethod
    def pixels(cls, exponent: int = 0) -> "Grid":
        """An image's 0 .. 255, stored as ``pixel - 128``."""
        return cls.unsigned(8, exponent)

    @property
    def step(self) -> float:
        """The distance between two neighbours, ``2**exponent``."""
        return 2.0**self.exponent

    @property
    def is_unsigned(self) -> bool:
        """Whether 0.0 is the smallest value."""
        return self.minimum == self.zero_point

    @property
    def bits(self) -> int:
        """Bits that hold every integer of the grid."""
        return (self.maximum - self.minimum).bit_length()

    @property
    def levels(self) -> int:
        """How many integers it has."""
        return self.maximum - self.minimum + 1

    @property
    def reach(self) -> int:
        """The largest ``|q - zero_point|``: 255 for pixels, 128 for signed 8 bits."""
        return max(self.zero_point - self.minimum, self.maximum - self.zero_point)

    @property
    def low(self) -> float:
        """The smallest real value."""
        return (self.minimum - self.zero_point) * self.step

    @property
    def high(self) -> float:
        """The largest real value."""
        return (self.maximum - self.zero_point) * self.step

    def quantize(self, real: npt.ArrayLike) -> IntArray:
        """Real values -> integers, ``clamp(zero_point + floor(real / step + 1/2))``."""
        scaled = np.asarray(real, np.float64) * 2.0**-self.exponent
        return self.clamp(self.zero_point + np.floor(scaled + 0.5).astype(np.int64))

    def dequantize(self, q: npt.ArrayLike) -> FloatArray:
        """Integers -> real values, exact in float64."""
        return np.asarray((np.asarray(q, np.int64) - self.zero_point) * self.step, np.float64)

    def clamp(self, q: IntArray) -> IntArray:
        """Saturate to the grid."""
        return np.clip(q, self.minimum, self.maximum)

    def scaled(self, exponent: int) -> "Grid":
        """The same integers, real values times ``2**exponent``."""
        return replace(self, exponent=self.exponent + exponent)

    def __str__(self) -> str:
        sign = "unsigned" if self.is_unsigned else "signed"
        return f"{sign} {self.bits}-bit, step 2^{self.exponent}, zero point {self.zero_point}"


def round_shift(acc: IntArray, shift: npt.ArrayLike) -> IntArray:
    """``floor(acc * 2**-shift + 1/2)`` in int64, any sign of ``shift``.

    Args:
        acc: int64, any shape.
        shift: integers of at least -31 that broadcast against ``acc``.
    """
    shift = np.asarray(shift, np.int64)
    right = np.maximum(shift, 1)
    rounded = (acc + (np.int64(1) << (right - 1))) >> right
    exact = acc << np.maximum(-shift, 0)
    return np.asarray(np.where(shift >= 1, rounded, exact))


def _check_bits(bits: int, *, smallest: int) -> None:
    if not smallest <= bits <= 8:
        raise ValueError(f"A grid of int8 has {smallest} to 8 bits. Received: bits={bits}")


def covering_grid(low: float, high: float) -> Grid:
    """The finest 8-bit grid that holds a range: unsigned when nothing is negative."""
    if low >= 0:
        return Grid.unsigned(8, _covering_exponent(high / 255))
    return Grid.signed(8, _covering_exponent(max(-low / 128, high / 127)))


def _covering_exponent(step: float) -> int:
    """The smallest e with ``step <= 2**e``; any will do for a range of zero."""
    return ceil(log2(step)) if step > 0 else 0
