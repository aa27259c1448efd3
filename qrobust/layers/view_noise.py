"""What layers that show one view of an image in training have in common."""

from typing import Any

import keras
from keras import ops

from tflite_export.grid import INT8_MAX, Grid

#: Steps from the smallest to the largest value of 8 bits.
TOP = 255


class ViewNoise(keras.layers.Layer):
    """A fresh view of every image of every call in training, the identity otherwise.

    Gone at export, where it tells the exporter the input's grid: all 8 bits above ``minimum``.

    Args:
        exponent: log2 of the grid's step in the layer's inputs: 0 for pixels 0 to 255.
        minimum: smallest value, in LSB, from -254 to 0; the largest is 255 above it.
        seed: of the views that are drawn.

    Raises:
        ValueError: a grid that there is not.
    """

    def __init__(self, *, exponent: int, minimum: int, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not -TOP < minimum <= 0:
            raise ValueError(f"minimum lies in [-254, 0]. Received: minimum={minimum}")
        self.exponent = exponent
        self.minimum = minimum
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def grid(self) -> Grid:
        """The input's grid."""
        zero_point = INT8_MAX - (self.minimum + TOP)
        return Grid(self.exponent, zero_point, zero_point + self.minimum)

    def views(self, shape: tuple[int, ...]) -> int:
        """Return how many views there are of images of a shape."""
        raise ValueError(f"Layer '{self.name}' says nothing of views of {shape}.")

    def shown(self, inputs: Any, view: Any) -> Any:
        """Return the inputs as the network sees them.

        Args:
            inputs: float[batch, ...], on the grid.
            view: int32[batch], which view of each.
        """
        raise ValueError(f"Layer '{self.name}' shows no view {view} of {inputs}.")

    def build(self, input_shape: Any) -> None:
        """Refuse inputs that the views do not fit."""
        shape = tuple(input_shape[1:])
        if None in shape:
            raise ValueError(
                f"Layer '{self.name}' needs the whole shape of an input. Received: shape={shape}"
            )
        self.views(shape)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Show one view of every image in training."""
        if not training:
            return inputs
        views, count = self.views(tuple(inputs.shape[1:])), (ops.shape(inputs)[0],)
        return self.shown(
            inputs, keras.random.randint(count, 0, views, dtype="int32", seed=self._generator)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, which is that of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "exponent": self.exponent,
            "minimum": self.minimum,
            "seed": self.seed,
        }
