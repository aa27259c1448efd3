"""Global average pooling whose divisor is exact in integers."""

from typing import Any

import keras
from keras import ops

# The largest weight that tie-free scaling can quadruple.
_LARGEST = 31


@keras.saving.register_keras_serializable(package="qrobust")
class IntegerGlobalAveragePooling2D(keras.layers.Layer):
    """``m * 2**-e * sum`` over height and width, ``m <= 31`` and e chosen so that it is nearest.

    An average over H x W values divides by their number, which is exact only for powers of two;
    ``m * 2**-e`` is within 3.1 % of any ``1 / (H * W)`` and exact on every device: it becomes a
    depthwise convolution whose weights are all ``m``.

    Args:
        keepdims: keep height and width as 1.
    """

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def build(self, input_shape: Any) -> None:
        """Fix the share of every value."""
        self.share = nearest_share(int(input_shape[1]) * int(input_shape[2]))

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, channels) -> (batch, channels)."""
        return ops.sum(inputs, axis=(1, 2), keepdims=self.keepdims) * self.share

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Without height and width."""
        batch, _, _, channels = input_shape
        return (batch, 1, 1, channels) if self.keepdims else (batch, channels)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "keepdims": self.keepdims}


def nearest_share(count: int) -> float:
    """The ``m * 2**-e`` nearest to ``1 / count`` with ``m <= 31``."""
    shift = (count * _LARGEST).bit_length()
    candidates: list[tuple[int, int]] = [(round(2**e / count), e) for e in range(shift + 1)]
    shares = [m * 2.0**-e for m, e in candidates if 1 <= m <= _LARGEST]
    return min(shares, key=lambda share: abs(share * count - 1))
