"""What the weight quantizers share: per-channel power-of-two steps."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from qrobust.quantizers.rounding import other_axes, quantize_with_steps

_FINEST_SHARE = 2.0**-8


def finest_step(steps: Any) -> Any:
    """The finest step that channels may have beside the coarsest of these.

    A channel far below the others is as good as silent. On a step of its own its accumulators would
    be too fine for float32 to add a bias to them exactly.
    """
    return ops.max(steps) * _FINEST_SHARE


class WeightQuantizer:
    """Base of quantizers that choose a power-of-two step for every output channel.

    A subclass sets ``largest`` and computes ``steps(kernel)``. No channel's step is finer than
    1/256 of the coarsest.

    Args:
        channel_axes: axes of the kernel that count output channels: (-1,) for dense layers and
            convolutions, (-2, -1) for depthwise ones.
    """

    # QKeras takes a string here as "finds its own scale", and leaves the initializer alone.
    alpha = "auto_po2"
    largest: int

    def __init__(self, channel_axes: Sequence[int] = (-1,)) -> None:
        self.channel_axes = tuple(channel_axes)

    def __call__(self, kernel: Any) -> Any:
        """Quantize a kernel; the result lies on its grid exactly."""
        return quantize_with_steps(kernel, self.effective_steps(kernel), largest=self.largest)

    def effective_steps(self, kernel: Any) -> Any:
        """``steps``, none finer than 1/256 of the coarsest; constants to gradients."""
        steps = self.steps(ops.stop_gradient(kernel))
        return ops.maximum(steps, finest_step(steps))

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        raise AttributeError(f"{type(self).__name__} does not say how it chooses its steps.")

    def reduced_axes(self, kernel: Any) -> tuple[int, ...]:
        """The axes that one step spans."""
        return other_axes(len(kernel.shape), self.channel_axes)

    def max(self) -> float:
        """No bound: QKeras would clip the kernel to it."""
        return float("inf")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"channel_axes": list(self.channel_axes)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WeightQuantizer":
        """Build one from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
