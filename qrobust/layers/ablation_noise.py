"""Subsets of a picture's pixels, in training."""

from typing import Any

import keras
from keras import ops

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.subsets import pixel_subsets
from qrobust.layers.view_noise import ViewNoise


@keras.saving.register_keras_serializable(package="qrobust")
class AblationNoise(ViewNoise):
    """One random subset of the pixels of every picture; the network sees nothing else of it.

    A picture of C channels goes in as one of 2 C, ``x`` and ``255 - x``; what is hidden becomes 0
    and 0 (``minimum`` and ``minimum``), which no pixel is. The M subsets are disjoint and fixed:
    the very views of :mod:`qrobust.certify.smoothings.subsets`, all of which the device runs to
    certify against changed pixels (L0). A fresh subset for every picture of every call in
    training, the identity otherwise; gone at export, where it tells the exporter the input's grid.

    Args:
        subsets: M, in [1, pixels]; the same as in the file's smoothing spec.
        exponent: log2 of the grid's step in the layer's inputs: 0 for pixels 0 to 255.
        minimum: smallest value, in LSB, from -254 to 0; the largest is 255 above it.
        seed: of the subsets that are drawn; not of the partition, which is the same for everyone.

    Raises:
        ValueError: more subsets than pixels, or an odd number of channels.

    References:
        Levine and Feizi, Robustness Certificates for Sparse Adversarial Attacks by Randomized
        Ablation, AAAI 2020.
    """

    def __init__(
        self,
        subsets: int,
        *,
        exponent: int = 0,
        minimum: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exponent=exponent, minimum=minimum, seed=seed, **kwargs)
        if type(subsets) is not int or subsets < 1:
            raise ValueError(f"subsets is a whole number. Received: subsets={subsets!r}")
        self.subsets = subsets

    def views(self, shape: tuple[int, ...]) -> int:
        """M, where the picture has so many pixels."""
        if len(shape) != 3 or shape[2] % 2:
            raise ValueError(
                f"Layer '{self.name}' reads pictures of an even number of channels, x and 255 - x. "
                f"Received: shape={shape}"
            )
        try:
            pixel_subsets(shape[0] * shape[1], self.subsets)
        except CertifyError as error:
            raise ValueError(f"Layer '{self.name}': {error}. Received: shape={shape}") from None
        return self.subsets

    def shown(self, inputs: Any, view: Any) -> Any:
        """Return the inputs as the network sees them of given subsets.

        Args:
            inputs: float[batch, h, w, 2 C], on the grid.
            view: int32[batch], subsets from 0 to M - 1.
        """
        height, width = inputs.shape[1:3]
        of = pixel_subsets(height * width, self.subsets).reshape(1, height, width, 1)
        place = ops.reshape(ops.cast(view, "int32"), (-1, 1, 1, 1))
        seen = ops.equal(ops.convert_to_tensor(of, dtype="int32"), place)
        nothing = ops.cast(self.minimum * 2.0**self.exponent, inputs.dtype)
        return ops.where(seen, inputs, nothing)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "subsets": self.subsets}
