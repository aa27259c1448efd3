"""Votes of a Keras model on the certifier's own noisy copies."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.streams import Purpose, raw_words
from qrobust.certify.smoothings.smoothing import GaussianSmoothing, Sampler

Request = tuple[int, int, int]


@dataclass(frozen=True)
class KerasDraws:
    """The randomness of one image, for the methods of ``qrobust.certify``.

    The copies are those that ``Certifier`` makes from the same seed, index and sigma: where a
    model exports exactly, its votes here are those of the exported file.

    Attributes:
        model: of one input; its largest output is the vote.
        smoothing: of the inputs.
        sampler: of that smoothing.
        shape: of one input.
        tensor: int16[coordinates], the input in tensor values.
        image: index.
        seed: of the random streams.
        batch_size: inputs at once.
    """

    model: Any
    smoothing: GaussianSmoothing
    sampler: Sampler
    shape: tuple[int, ...]
    tensor: NDArray[np.int16]
    image: int
    seed: int
    batch_size: int
    _counted: dict[Request, NDArray[np.int64]] = field(default_factory=dict)

    def votes(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        """Return the votes of samples ``start`` to ``start + count - 1``, int64[classes]."""
        request = (int(purpose), start, count)
        if request not in self._counted:
            starts = range(start, start + count, self.batch_size)
            sizes = [min(self.batch_size, start + count - first) for first in starts]
            parts = [self._batch(purpose, *part) for part in zip(starts, sizes, strict=True)]
            self._counted[request] = np.sum(parts, axis=0)
        return self._counted[request]

    def word(self) -> int:
        """Return the 64-bit word that a randomized bound uses."""
        return int(raw_words((self.seed, self.image), Purpose.UNIFORM, 0, 1)[0])

    def _batch(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        grid = self.smoothing.grid
        copies = np.empty((count, self.smoothing.coordinates), grid.dtype)
        key = (self.seed, self.image)
        self.sampler.fill(self.tensor, copies, key=key, purpose=purpose, start=start)
        x = (copies.astype(np.float32) - grid.zero_point) * np.float32(grid.scale)
        logits = self.model.predict_on_batch(x.reshape(count, *self.shape))
        labels = np.argmax(logits, axis=1)  # ties go to the lowest index, as on the device
        return np.bincount(labels, minlength=logits.shape[1]).astype(np.int64)
