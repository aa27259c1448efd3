"""Splits of the input's grid, in training."""

from math import prod
from typing import Any

import keras
from keras import ops

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.splits import check_splits, split_shifts
from tflite_export.grid import INT8_MAX, Grid

_TOP = 255


@keras.saving.register_keras_serializable(package="qrobust")
class SplitNoise(keras.layers.Layer):
    r"""One random split of M for every image: what a network sees that is certified by counting.

    With ``x`` from 0 to 255 above ``minimum``, in steps of the input's grid (LSB), fixed shifts
    ``v`` and ``s`` uniform in ``0 .. M - 1``, one for an image:

    .. math::
        s_i = (s + v_i) \bmod M \qquad a_i = s_i + M \lfloor (x_i - s_i) / M \rfloor \qquad
        \tilde x_i = \lfloor (\max(a_i, 0) + \min(a_i + M - 1, 255)) / 2 \rfloor

    The very integers of :mod:`qrobust.certify.smoothings.splits`: on the device all M splits are
    run and their votes counted. A fresh split for every image of every call in training, the
    identity otherwise; gone at export, where it tells the exporter the input's grid.

    Args:
        splits: M, in [1, 65536]; the same as in the file's smoothing spec.
        exponent: log2 of the grid's step in the layer's inputs: 0 for pixels 0 to 255.
        minimum: smallest value, in LSB, from -254 to 0; the largest is 255 above it.
        seed: of the splits that are drawn; not of the shifts, which are the same for everyone.

    Raises:
        ValueError: a number of splits or a grid that there is not.

    References:
        Levine and Feizi, Improved, Deterministic Smoothing for L1 Certified Robustness, ICML 2021.
    """

    def __init__(
        self,
        splits: int,
        *,
        exponent: int = 0,
        minimum: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if type(splits) is not int:
            raise ValueError(f"splits is a whole number. Received: splits={splits!r}")
        try:
            self.splits = check_splits(splits)
        except CertifyError as error:
            raise ValueError(f"{error}. Received: splits={splits}") from None
        if not -_TOP < minimum <= 0:
            raise ValueError(f"minimum lies in [-254, 0]. Received: minimum={minimum}")
        self.exponent = exponent
        self.minimum = minimum
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def grid(self) -> Grid:
        """The input's grid: all 8 bits."""
        zero_point = INT8_MAX - (self.minimum + _TOP)
        return Grid(self.exponent, zero_point, zero_point + self.minimum)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Show one split of every image in training."""
        if not training:
            return inputs
        count = ops.shape(inputs)[0]
        split = keras.random.randint((count,), 0, self.splits, dtype="int32", seed=self._generator)
        return self.shown(inputs, split)

    def shown(self, inputs: Any, split: Any) -> Any:
        """Return the inputs as the network sees them in given splits.

        Args:
            inputs: float[batch, ...], on the grid; values off it are rounded and clipped to it.
            split: int32[batch], from 0 to M - 1.
        """
        step, rank = 2.0**self.exponent, len(inputs.shape)
        shape = tuple(inputs.shape[1:])
        if None in shape:
            raise ValueError(
                f"Layer '{self.name}' shifts every number by its own constant and needs the whole "
                f"shape of an input. Received: shape={shape}"
            )
        shifts = ops.convert_to_tensor(
            split_shifts(prod(shape), self.splits).reshape(shape), dtype="int32"
        )
        wide = ops.cast(inputs, "float32") / step - self.minimum
        x = ops.cast(ops.clip(ops.floor(wide + 0.5), 0, _TOP), "int32")
        # Integers from here on: a quotient in floats may round up to the next cell.
        begin = ops.mod(ops.reshape(split, (-1,) + (1,) * (rank - 1)) + shifts, self.splits)
        edge = begin + self.splits * ops.floor_divide(x - begin, self.splits)
        middle = ops.floor_divide(
            ops.maximum(edge, 0) + ops.minimum(edge + self.splits - 1, _TOP), 2
        )
        return ops.cast(middle + self.minimum, inputs.dtype) * step

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "splits": self.splits,
            "exponent": self.exponent,
            "minimum": self.minimum,
            "seed": self.seed,
        }
