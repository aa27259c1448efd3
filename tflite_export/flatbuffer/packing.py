"""Weights of one, one half or one quarter byte."""

import numpy as np
import numpy.typing as npt

_BITS = {"int8": 8, "int4": 4, "int2": 2}


def pack(values: npt.NDArray[np.int64], storage: str) -> bytes:
    """Weights as bytes, the lowest bits first: two a byte in int4, four in int2."""
    bits = _BITS[storage]
    flat = values.astype(np.int8).ravel().view(np.uint8) & (2**bits - 1)
    per_byte = 8 // bits
    padded = np.zeros(-(-flat.size // per_byte) * per_byte, np.uint8)
    padded[: flat.size] = flat
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    return bytes(np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1).astype("u1"))
