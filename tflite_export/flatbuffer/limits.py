"""What kernels can and cannot compute exactly."""

import numpy as np

from tflite_export.graph import Linear

# A float32 significand: XNNPACK requantizes through one.
_FLOAT32_BITS = 24


def accumulators_fit_float32(operator: Linear) -> bool:
    """Whether XNNPACK's float32 requantization is exact for every input.

    Exact when the accumulator itself fits 24 bits, or when every one that does not is far beyond
    saturation: ``shift + magnitude bits <= 24`` (measured: one bit more fails).
    """
    # 255 steps of an unsigned grid take 8 bits, 128 steps of a signed one 7.
    magnitude_bits = (operator.output.grid.reach - 1).bit_length()
    beyond = operator.shift + magnitude_bits > _FLOAT32_BITS
    large = operator.accumulator_bound >= 2**_FLOAT32_BITS
    return not bool(np.any(beyond & large))
