"""What a file, or a bundle of files, says to randomized copies, in blocks of rows."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.streams import MEMBER, WORDS_PER_BLOCK, Key, Words
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle
from qrobust.certify.file.bundle_file import BundleFile
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.row_alarm import check_rows
from qrobust.certify.file.runner import Runner, Stored

#: Key, purpose and first sample of a block of copies; None for inputs that are no copies.
Place = tuple[Key, int, int] | None


class Answers(Protocol):
    """Answers blocks of rows; used by one thread at a time.

    Attributes:
        evaluations: rows that networks have seen, those of every member counted.
    """

    evaluations: int

    def __call__(self, inputs: Stored, size: int, place: Place) -> Stored:
        """Return the outputs [size, classes] of the first rows of inputs [batches, batch, *shape].

        Ties go to the lowest class.
        """

    def check_rows(self) -> None:
        """Raise `CertifyError` if rows of a batch change each other's outputs."""


def make_answers(file: ModelFile, *, batch: int, kernels: str) -> Answers:
    """Interpreters for a file, or for every member of a bundle."""
    if isinstance(file, BundleFile):
        return BundleAnswers(file, batch=batch, kernels=kernels)
    return FileAnswers(file, batch=batch, kernels=kernels)


class FileAnswers:
    """Of one network; see `Answers`."""

    def __init__(self, file: ModelFile, *, batch: int, kernels: str) -> None:
        self.evaluations = 0
        self._run = Runner(file, batch=batch, kernels=kernels)
        self._shape, self._dtype = (batch, *file.shape), file.grid.dtype

    def __call__(self, inputs: Stored, size: int, place: Place) -> Stored:
        """Run them."""
        self.evaluations += size
        batches = inputs[: -(-size // inputs.shape[1])]
        outputs: Stored = np.concatenate([self._run(batch) for batch in batches])
        return outputs[:size]

    def check_rows(self) -> None:
        """Look whether rows change each other's outputs."""
        check_rows(self._run, self._shape, self._dtype)


class BundleAnswers:
    """Of a bundle: one row of zeros and a one for every copy; see `Answers`.

    Members see only the rows that the rule asks them about, packed into whole batches.
    """

    def __init__(self, file: BundleFile, *, batch: int, kernels: str) -> None:
        self.evaluations = 0
        self._bundle, self._classes = file.bundle, file.classes
        self._members = [FileAnswers(m, batch=batch, kernels=kernels) for m in file.members]
        self._zero_points = [member.output_zero_point for member in file.members]
        self._batch = batch
        self._words = Words()

    def __call__(self, inputs: Stored, size: int, place: Place) -> Stored:
        """Run them."""
        rows = inputs.reshape(-1, *inputs.shape[2:])[:size]
        labels = _RULES[self._bundle.rule](self, rows, place)
        answers = np.zeros((size, self._classes), np.int8)
        answers[np.arange(size), labels] = 1
        return answers

    def check_rows(self) -> None:
        """Look whether rows of any member change each other's outputs."""
        for member in self._members:
            member.check_rows()

    def _logits(self, number: int, rows: Stored) -> NDArray[np.int64]:
        """Logits of a member in steps of its grid, int64[rows, classes]."""
        self.evaluations += len(rows)
        if not len(rows):
            return np.zeros((0, self._classes), np.int64)
        short = -len(rows) % self._batch
        padded = np.concatenate([rows, np.zeros((short, *rows.shape[1:]), rows.dtype)])
        batches = padded.reshape(-1, self._batch, *rows.shape[1:])
        outputs = self._members[number](batches, len(rows), None)
        return outputs.astype(np.int64) - self._zero_points[number]

    def _draw(self, rows: Stored, place: Place) -> NDArray[np.intp]:
        weights = self._bundle.weights
        if place is None:  # no copies: the class that most draws would give
            votes = np.zeros((len(rows), self._classes), np.int64)
            for number, weight in enumerate(weights):
                votes[np.arange(len(rows)), self._logits(number, rows).argmax(1)] += weight
            return _winners(votes)
        drawn = drawn_members(self._bundle, self._words, place, len(rows))
        labels = np.zeros(len(rows), np.intp)
        for number in range(len(weights)):
            mine = drawn == number
            labels[mine] = self._logits(number, rows[mine]).argmax(1)
        return labels

    def _adaptive(self, rows: Stored, place: Place) -> NDArray[np.intp]:
        bundle = self._bundle
        total = np.zeros((len(rows), self._classes), np.int64)
        open_ = np.arange(len(rows))
        for number, weight in enumerate(bundle.weights):
            total[open_] += weight * self._logits(number, rows[open_])
            if number < len(bundle.thresholds):
                best = np.partition(total[open_], -2, axis=1)[:, -2:]
                open_ = open_[best[:, 1] - best[:, 0] < bundle.thresholds[number]]
        return _winners(total)

    def _consensus(self, rows: Stored, place: Place) -> NDArray[np.intp]:
        bundle = self._bundle
        total = np.zeros((len(rows), self._classes), np.int64)
        said = np.zeros((bundle.first, len(rows)), np.intp)
        for number in range(bundle.first):
            logits = self._logits(number, rows)
            said[number] = logits.argmax(1)
            total += bundle.weights[number] * logits
        open_ = np.flatnonzero((said != said[0]).any(axis=0))
        for number in range(bundle.first, len(bundle.weights)):
            total[open_] += bundle.weights[number] * self._logits(number, rows[open_])
        labels: NDArray[np.intp] = said[0].copy()
        labels[open_] = total[open_].argmax(1)
        return labels


def _winners(scores: NDArray[np.int64]) -> NDArray[np.intp]:
    """The best class of every row, the lowest of equals."""
    winners: NDArray[np.intp] = np.argmax(scores, axis=1)
    return winners


def drawn_members(bundle: Bundle, words: Words, place: Any, count: int) -> NDArray[np.intp]:
    """Which member answers each of consecutive copies, counted from 0.

    Copy ``i`` of purpose ``p`` takes the highest bits of word ``i`` of stream ``MEMBER + p``: as
    many as there are tickets, so that the draw is exact.

    Args:
        bundle: of rule "draw".
        words: a place in the streams.
        place: key, purpose, first copy.
        count: how many.
    """
    key, purpose, first = place
    block, skip = divmod(first, WORDS_PER_BLOCK)
    found = words.take(key, MEMBER + purpose, block, skip + count)[skip:]
    bits = sum(bundle.weights).bit_length() - 1
    tickets = (found >> np.uint64(1) >> np.uint64(63 - bits)).astype(np.int64)
    members: NDArray[np.intp] = np.searchsorted(
        list(accumulate(bundle.weights)), tickets, side="right"
    )
    return members


_RULES = {
    DRAW: BundleAnswers._draw,
    ADAPTIVE: BundleAnswers._adaptive,
    CONSENSUS: BundleAnswers._consensus,
}
