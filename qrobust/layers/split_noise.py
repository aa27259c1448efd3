"""Splits of the input's grid, in training."""

from math import prod
from typing import Any

import keras
from keras import ops

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.splits import check_splits, split_shifts
from qrobust.layers.view_noise import TOP, ViewNoise


@keras.saving.register_keras_serializable(package="qrobust")
class SplitNoise(ViewNoise):
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
        super().__init__(exponent=exponent, minimum=minimum, seed=seed, **kwargs)
        if type(splits) is not int:
            raise ValueError(f"splits is a whole number. Received: splits={splits!r}")
        try:
            self.splits = check_splits(splits)
        except CertifyError as error:
            raise ValueError(f"{error}. Received: splits={splits}") from None

    def views(self, shape: tuple[int, ...]) -> int:
        """M, whatever the shape."""
        return self.splits

    def shown(self, inputs: Any, view: Any) -> Any:
        """Return the inputs as the network sees them in given splits.

        Args:
            inputs: float[batch, ...], on the grid; values off it are rounded and clipped to it.
            view: int32[batch], splits from 0 to M - 1.
        """
        step, shape = 2.0**self.exponent, tuple(inputs.shape[1:])
        shifts = ops.convert_to_tensor(
            split_shifts(prod(shape), self.splits).reshape(shape), dtype="int32"
        )
        wide = ops.cast(inputs, "float32") / step - self.minimum
        x = ops.cast(ops.clip(ops.floor(wide + 0.5), 0, TOP), "int32")
        # Integers from here on: a quotient in floats may round up to the next cell.
        begin = ops.mod(
            ops.reshape(ops.cast(view, "int32"), (-1,) + (1,) * len(shape)) + shifts, self.splits
        )
        edge = begin + self.splits * ops.floor_divide(x - begin, self.splits)
        middle = ops.floor_divide(
            ops.maximum(edge, 0) + ops.minimum(edge + self.splits - 1, TOP), 2
        )
        return ops.cast(middle + self.minimum, inputs.dtype) * step

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "splits": self.splits}
