"""Positive numbers as integer intervals times a power of two, every rounding outwards."""

from __future__ import annotations


class Scaled:
    """A positive interval ``[low, high] * 2**exponent`` with integer ends of bounded length."""

    __slots__ = ("exponent", "high", "low")

    def __init__(self, low: int, high: int, exponent: int, bits: int) -> None:
        extra = high.bit_length() - bits
        if extra > 0:
            low, high, exponent = low >> extra, -(-high >> extra), exponent + extra
        self.low, self.high, self.exponent = low, high, exponent

    @classmethod
    def exact(cls, value: int, bits: int) -> Scaled:
        """Return an integer, rounded outwards to ``bits``."""
        return cls(value, value, 0, bits)

    def times(self, other: Scaled, bits: int) -> Scaled:
        """Return the product, rounded outwards to ``bits``."""
        exponent = self.exponent + other.exponent
        return Scaled(self.low * other.low, self.high * other.high, exponent, bits)


def power(base: int, exponent: int, bits: int) -> Scaled:
    """Enclose ``base**exponent`` by repeated squaring."""
    result = Scaled.exact(1, bits)
    square = Scaled.exact(base, bits)
    while exponent:
        if exponent & 1:
            result = result.times(square, bits)
        exponent >>= 1
        if exponent:
            square = square.times(square, bits)
    return result
