"""Bands and blocks of a picture, in training."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.view_noise import ViewNoise


@keras.saving.register_keras_serializable(package="qrobust")
class BandNoise(ViewNoise):
    """One random band of columns for every picture; the network sees nothing else of it.

    A picture of C channels goes in as one of 2 C, ``x`` and ``255 - x``; what is hidden becomes 0
    and 0 (``minimum`` and ``minimum``), which no pixel is. The band begins at a random column and
    wraps around; of blocks the rows do likewise. The very views of
    :mod:`qrobust.certify.smoothings.bands`: on the device all places are run and their votes
    counted, from data of C channels. A fresh place for every picture of every call in training,
    the identity otherwise; gone at export, where it tells the exporter the input's grid.

    Args:
        band: columns of a band, or side of a block; the same as in the file's smoothing spec.
        blocks: show ``band`` x ``band`` pixels instead of whole columns.
        exponent: log2 of the grid's step in the layer's inputs: 0 for pixels 0 to 255.
        minimum: smallest value, in LSB, from -254 to 0; the largest is 255 above it.
        seed: of the places that are drawn.

    Raises:
        ValueError: a band that does not fit the picture, or an odd number of channels.

    References:
        Levine and Feizi, (De)Randomized Smoothing for Certifiable Defense against Patch Attacks,
        NeurIPS 2020.
    """

    def __init__(
        self,
        band: int,
        *,
        blocks: bool = False,
        exponent: int = 0,
        minimum: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exponent=exponent, minimum=minimum, seed=seed, **kwargs)
        if type(band) is not int or band < 1:
            raise ValueError(f"band is a whole number of columns. Received: band={band!r}")
        self.band = band
        self.blocks = blocks

    def views(self, shape: tuple[int, ...]) -> int:
        """Columns of the picture; of blocks, its pixels."""
        if len(shape) != 3 or shape[2] % 2:
            raise ValueError(
                f"Layer '{self.name}' reads pictures of an even number of channels, x and 255 - x. "
                f"Received: shape={shape}"
            )
        height, width = shape[:2]
        if self.band > min(height, width):
            raise ValueError(
                f"Layer '{self.name}' shows {self.band} pixels of {height} x {width}. "
                f"Received: band={self.band}"
            )
        return height * width if self.blocks else width

    def shown(self, inputs: Any, view: Any) -> Any:
        """Return the inputs as the network sees them at given places.

        Args:
            inputs: float[batch, h, w, 2 C], on the grid.
            view: int32[batch], first column of the band; of blocks, ``w`` times the first row more.
        """
        height, width = inputs.shape[1:3]
        place = ops.reshape(ops.cast(view, "int32"), (-1, 1, 1, 1))
        columns = ops.reshape(ops.arange(width, dtype="int32"), (1, 1, -1, 1))
        seen = ops.mod(columns - ops.mod(place, width), width) < self.band
        if self.blocks:
            rows = ops.reshape(ops.arange(height, dtype="int32"), (1, -1, 1, 1))
            down = ops.mod(rows - ops.floor_divide(place, width), height) < self.band
            seen = ops.logical_and(seen, down)
        nothing = ops.cast(self.minimum * 2.0**self.exponent, inputs.dtype)
        return ops.where(seen, inputs, nothing)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "band": self.band, "blocks": self.blocks}
