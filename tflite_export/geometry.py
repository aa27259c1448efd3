"""Window geometry of lowering and the C generator; the reference has its own, on purpose."""

from tflite_export.graph import Pair


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """Zeros before and after an axis under TensorFlow's SAME: the smaller half comes before.

    Args:
        size: of the axis.
        window: of the kernel along it.
        stride: between windows.
        dilation: between the kernel's own taps.
    """
    reach = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
