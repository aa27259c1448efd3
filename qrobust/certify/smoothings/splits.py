r"""Counting over splits: a certain L1 certificate (after Levine and Feizi 2021).

An input x holds d whole numbers from 0 to T. There are M splits; split s cuts the values of
coordinate i into cells of M neighbours that start at ``s_i = (s + v_i) mod M`` and shows the
network only the middle of the cell that ``x_i`` lies in:

.. math::
    a_i = s_i + M \lfloor (x_i - s_i) / M \rfloor \qquad
    \tilde x_i = \lfloor (\max(a_i, 0) + \min(a_i + M - 1, T)) / 2 \rfloor

All M splits are run; each gives one vote. Moving one ``x_i`` by 1 moves it into another cell in
exactly one split, so a change of L1 size k changes at most k votes. With A the class of most votes
(ties to the lowest index) every integer change of L1 size at most

.. math:: R = \lfloor (n_A - \max_{c \ne A} (n_c + [c < A])) / 2 \rfloor

keeps A. Nothing is sampled and nothing can fail.

The shifts ``v_i`` belong to the classifier, not to a certificate: the same for every input, every
data set and every device. Shifts that depended on the input would void the argument.

Reference:
    Levine and Feizi, Improved, Deterministic Smoothing for L1 Certified Robustness, ICML 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError

#: "splits" in ASCII: the first word of the key that the shifts come from; the second is 0.
SHIFT_KEY = 0x73706C697473
#: What 16 bits hold; more splits than this are more inferences than anyone runs.
MOST_SPLITS = 1 << 16

Votes = NDArray[np.int64]


def split_shifts(coordinates: int, splits: int) -> NDArray[np.int64]:
    """Return the fixed shifts ``v_i = word_i mod M``, int64[coordinates].

    ``word_i`` is the i-th 32-bit half, low half first, of the words of Philox4x64-10 with key
    (`SHIFT_KEY`, 0) in the blocks of counter 0, 1, 2, ...; i counts coordinates in C order.

    Raises:
        CertifyError: no coordinates, or a number of splits outside ``[1, 65536]``.
    """
    check_splits(splits)
    if coordinates < 1:
        raise CertifyError(f"an input has at least 1 number, received {coordinates}")
    return fixed_halves(coordinates, SHIFT_KEY) % splits


def fixed_halves(count: int, key: int) -> NDArray[np.int64]:
    """Return the first 32-bit halves, low half first, of Philox4x64-10 with key (``key``, 0)."""
    # NumPy raises its counter before each block: one below 0 comes first.
    generator = np.random.Philox(key=key, counter=(1 << 256) - 1)
    words = generator.random_raw((count + 1) // 2)
    halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1)
    return halves.reshape(-1)[:count].astype(np.int64)


def check_splits(splits: int) -> int:
    """Return a number of splits; `CertifyError` outside ``[1, 65536]``."""
    if not 1 <= splits <= MOST_SPLITS:
        raise CertifyError(f"splits must lie in [1, {MOST_SPLITS}], received {splits}")
    return splits


@dataclass(frozen=True)
class Splits:
    """All splits of inputs of one kind.

    Attributes:
        splits: M, also the number of inferences.
        coordinates: d, numbers in one input.
        top: T, the greatest value; values start at 0.
    """

    splits: int
    coordinates: int
    top: int

    def __post_init__(self) -> None:
        check_splits(self.splits)
        if self.coordinates < 1 or self.top < 1:
            raise CertifyError(
                f"splits need numbers from 0 to at least 1, received {self.coordinates} numbers "
                f"up to {self.top}"
            )

    @cached_property
    def shifts(self) -> NDArray[np.int64]:
        """The fixed shifts, int64[coordinates]."""
        return split_shifts(self.coordinates, self.splits)

    def shown(self, x: NDArray[Any], start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return what the network sees in splits ``start`` to ``stop - 1``.

        Args:
            x: integers[coordinates] from 0 to ``top``.
            start: first split.
            stop: after the last; all by default.

        Returns:
            int64[stop - start, coordinates], from 0 to ``top``.

        Raises:
            CertifyError: other inputs, or splits that there are not.
        """
        stop = self.splits if stop is None else stop
        if not 0 <= start <= stop <= self.splits:
            raise CertifyError(f"splits run from 0 to {self.splits}, received {start} to {stop}")
        x = np.asarray(x)
        if x.shape != (self.coordinates,) or x.dtype.kind not in "iu":
            raise CertifyError(
                f"splits take {self.coordinates} integers, received {x.dtype} {x.shape}"
            )
        x = x.astype(np.int64)
        if (x < 0).any() or (x > self.top).any():
            raise CertifyError(f"splits take 0 to {self.top}, received {x.min()} to {x.max()}")
        begin = (np.arange(start, stop)[:, None] + self.shifts) % self.splits
        edge = begin + self.splits * ((x - begin) // self.splits)
        low, high = np.maximum(edge, 0), np.minimum(edge + self.splits - 1, self.top)
        return np.asarray((low + high) // 2)


def winner(votes: Votes) -> int:
    """Return the class of most votes; ties go to the lowest index."""
    return int(np.argmax(votes))


def margin(votes: Votes) -> int:
    """Return ``n_A - max(n_c + [c < A])``, at least 0; half of it is what may change.

    Args:
        votes: int64[classes], at least two classes.

    Raises:
        CertifyError: fewer classes, or negative votes.
    """
    votes = np.asarray(votes, np.int64)
    if votes.ndim != 1 or len(votes) < 2 or (votes < 0).any():
        raise CertifyError(f"votes are counts of two classes or more, received {votes}")
    best = winner(votes)
    others = votes + (np.arange(len(votes)) < best)
    return int(votes[best] - np.delete(others, best).max())
