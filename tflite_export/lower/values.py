"""What stands for a Keras tensor while a model is lowered.

``OnGrid`` is a tensor of the integer graph. ``Pending`` is a result whose grid is not known yet,
because the quantizer that decides it comes later: a weighted sum waiting for its activation. A
shape operation on a pending value waits with it, and so does a ReLU.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tflite_export.errors import ExportError
from tflite_export.graph import Shape, Tensor
from tflite_export.grid import FloatArray, Grid


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A tensor; Keras's real value is the tensor's times ``2**exponent``."""

    tensor: Tensor
    exponent: int = 0

    @property
    def shape(self) -> Shape:
        """Without the batch."""
        return self.tensor.shape

    @property
    def grid(self) -> Grid:
        """The grid of Keras's values."""
        return self.tensor.grid.scaled(self.exponent)


@dataclass(frozen=True, eq=False)
class Pending:
    """A value that becomes a tensor once its grid is known.

    Attributes:
        name: the layer that computes it.
        shape: without the batch.
        settle: makes the tensor on a given grid; readers call ``on``.
        lossless: a grid that holds every value as it is, if there is one.
        bounds: no value lies outside these two, or none did on data.
        relu: negative values become zero.
        upper: values above become this one.
    """

    name: str
    shape: Shape
    settle: Callable[[Grid], OnGrid]
    lossless: Grid | None = None
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    relu: bool = False
    upper: float | None = None

    def on(self, grid: Grid) -> OnGrid:
        """The tensor on a grid, with what a ReLU said clipped off.

        Raises:
            ExportError: the grid reaches beyond the value at which a bounded ReLU clips.
        """
        if self.upper is not None and self.upper < grid.high:
            raise ExportError(
                f"'{self.name}' clips at {self.upper}, inside the grid it is quantized to "
                f"({grid}). Choose a quantizer that ends there or below."
            )
        if self.relu and not grid.is_unsigned:
            grid = replace(grid, minimum=grid.zero_point)
        return self.settle(grid)


@dataclass(frozen=True, eq=False)
class PendingInput(Pending):
    """A model's input, whose grid its first reader decides."""


@dataclass(frozen=True, eq=False)
class PendingLinear(Pending):
    """A weighted sum whose real weights can still be rescaled, as batch norm does.

    Attributes:
        kernel: float64, output channels last.
        bias: float64 of shape (channels,).
        rebuild: the same sum with another kernel and bias.
    """

    kernel: FloatArray = field(kw_only=True)
    bias: FloatArray = field(kw_only=True)
    rebuild: Callable[[FloatArray, FloatArray], "PendingLinear"] = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class Probabilities:
    """Logits behind a final softmax, which the exported model leaves out."""

    logits: "Value"
    layer: str


Value = OnGrid | Pending
Result = Value | Probabilities
