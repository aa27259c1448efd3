"""Integer noise on the input's grid, in training."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tflite_export.grid import INT8_MAX, Grid


@keras.saving.register_keras_serializable(package="qrobust")
class GridNoise(keras.layers.Layer):
    """Rounded Gaussian noise, saturated as the device saturates: ``sat(x + round(sigma * z))``.

    With ``x`` and ``sigma`` in steps of the input's grid (LSB), ``z`` standard normal and ``sat``
    the clip to ``minimum .. maximum``. A fresh draw for every value of every call in training, the
    identity otherwise; gone at export, where it tells the exporter the input's grid.

    Args:
        sigma: in LSB, not negative; or ``(low, high)``, from which every batch draws its own.
        exponent: log2 of the grid's step in the layer's inputs: 0 for pixels 0 to 255, -8 behind
            ``Rescaling(1 / 256)``.
        minimum: smallest value, in LSB.
        maximum: largest value, in LSB.
        clean_share: of the examples, drawn anew in every call, that stay as they are, so that a
            network also trains on what it will mostly meet; in [0, 1).
        seed: of the noise.

    Raises:
        ValueError: a negative sigma, one between 0 and 1, mixed precision, a share that is none, or
            a range that is not 255 steps wide: a device saturates where its 8-bit input tensor
            ends, and so must the noise.
    """

    def __init__(
        self,
        sigma: float | Sequence[float],
        *,
        exponent: int = 0,
        minimum: int = 0,
        maximum: int = 255,
        clean_share: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.initial_sigma = _sigma_range(sigma)
        if 0 < self.initial_sigma[1] < 1:
            raise ValueError(
                f"sigma is in LSB, steps of the input's grid, and noise of less than one step is "
                f"mostly rounded away. On the [0, 1] scale of pixels {sigma} is 255 times as many "
                f"steps. Received: sigma={sigma}"
            )
        if keras.backend.standardize_dtype(self.compute_dtype) in ("float16", "bfloat16"):
            raise ValueError(
                f"Train in float32: in {self.compute_dtype} (mixed precision) pixels and integers "
                f"of a quantized network are rounded again, so that what is trained is not what is "
                f"exported. keras.mixed_precision.set_global_policy('float32')"
            )
        if not 0 <= clean_share < 1:
            raise ValueError(f"clean_share lies in [0, 1). Received: clean_share={clean_share}")
        self.clean_share = clean_share
        if not (minimum <= 0 < maximum and maximum - minimum == 255):
            raise ValueError(
                f"The range must hold 0 and be 255 steps wide, the range of an 8-bit tensor: "
                f"devices and certificates saturate there and nowhere else. For example minimum=0, "
                f"maximum=255. Received: minimum={minimum}, maximum={maximum}"
            )
        self.exponent = exponent
        self.minimum = minimum
        self.maximum = maximum
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)
        self._sigma = self.add_weight(
            name="sigma",
            shape=(2,),
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.initial_sigma, dtype),
            trainable=False,
        )

    @property
    def sigma(self) -> tuple[float, float]:
        """The range that sigma is drawn from, in LSB; both ends are equal when it is fixed."""
        low, high = ops.convert_to_numpy(self._sigma.value).tolist()
        return low, high

    @sigma.setter
    def sigma(self, value: float | Sequence[float]) -> None:
        self._sigma.assign(_sigma_range(value))

    def grid(self) -> Grid:
        """The input's grid."""
        zero_point = INT8_MAX - self.maximum
        return Grid(self.exponent, zero_point, zero_point + self.minimum)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Add noise in training."""
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            inputs = ops.cast(inputs, self.compute_dtype)
        if not training:
            return inputs
        step = 2.0**self.exponent
        low, high = self._sigma[0], self._sigma[1]
        sigma = low + (high - low) * keras.random.uniform((), seed=self._generator)
        z = keras.random.normal(ops.shape(inputs), dtype=inputs.dtype, seed=self._generator)
        noise = ops.floor(sigma * z + 0.5) * step
        if self.clean_share:
            one_each = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
            drawn = keras.random.uniform(one_each, seed=self._generator)
            noise = ops.where(drawn < self.clean_share, ops.zeros_like(noise), noise)
        return ops.clip(inputs + noise, self.minimum * step, self.maximum * step)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, which is that of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "sigma": list(self.initial_sigma),
            "exponent": self.exponent,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "clean_share": self.clean_share,
            "seed": self.seed,
        }


def _sigma_range(sigma: float | Sequence[float]) -> tuple[float, float]:
    low, high = sigma if isinstance(sigma, Sequence) else (sigma, sigma)
    if not 0 <= low <= high < float("inf"):
        raise ValueError(
            f"sigma is a number of LSB, or a range of them, not negative. Received: {sigma}"
        )
    return float(low), float(high)
