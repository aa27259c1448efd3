"""The classifier of a file or a bundle by another implementation, one copy at a time.

Nothing here is shared with what counts votes: the rules of a bundle are written down once more, on
Python's integers, and the draws come from :mod:`qrobust.certify.core.noise`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.core import noise
from qrobust.certify.core.claim import winner
from qrobust.certify.file.bundle import ADAPTIVE, DRAW, Bundle
from qrobust.certify.file.bundle_file import BundleFile
from qrobust.certify.file.contract import reference_outputs
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.runner import Runners

#: Who has to be trusted for votes that were drawn again independently.
INDEPENDENT = {
    "reference": "LiteRT's reference kernels, and the sampler of certify/core",
    "numpy": "the NumPy reference of tflite_export, and the sampler of certify/core",
}

#: Outputs of one copy, an integer a class.
Classifier = Callable[[list[int]], Sequence[int]]


class Independent:
    """Other implementations of a file, or of every member of a bundle.

    Args:
        file: a checked file or bundle.
        kind: a key of `INDEPENDENT`.

    Raises:
        CertifyError: an unknown kind, or a file that the NumPy reference does not know.
    """

    def __init__(self, file: ModelFile, kind: str) -> None:
        if kind not in INDEPENDENT:
            raise CertifyError(f"unknown implementation {kind!r}; known: {', '.join(INDEPENDENT)}")
        files = file.members if isinstance(file, BundleFile) else (file,)
        make = _by_numpy if kind == "numpy" else _by_litert
        self._networks = [make(one) for one in files]
        self._zero_points = [one.output_zero_point for one in files]
        self._bundle = file.bundle if isinstance(file, BundleFile) else None

    def of_stream(self, key: noise.Pair, purpose: int) -> Classifier:
        """The classifier of copies 0, 1, 2, ... of a stream, asked in this order."""
        if self._bundle is None:
            return self._networks[0]
        bundle, copies = self._bundle, count()

        def answer(copy: list[int]) -> Sequence[int]:
            def logits(number: int) -> list[int]:
                return [int(q) - self._zero_points[number] for q in self._networks[number](copy)]

            if bundle.rule == DRAW:
                return logits(drawn(bundle.weights, key, purpose, next(copies)))
            return combined(bundle, logits)

        return answer


def drawn(weights: Sequence[int], key: noise.Pair, purpose: int, copy: int) -> int:
    """Which member answers a copy: the one that holds its ticket."""
    ticket = noise.word(key, noise.MEMBER + purpose, copy) * sum(weights) >> 64
    member = 0
    while ticket >= weights[member]:
        ticket -= weights[member]
        member += 1
    return member


def combined(bundle: Bundle, logits: Callable[[int], list[int]]) -> list[int]:
    """Outputs of the rules that draw nothing; only members that they ask are run."""
    said: list[list[int]] = []
    total: list[int] = []
    for number, weight in enumerate(bundle.weights):
        said.append(logits(number))
        total = [
            before + weight * q
            for before, q in zip(total or [0] * len(said[0]), said[-1], strict=True)
        ]
        if bundle.rule == ADAPTIVE:
            first, second = sorted(total, reverse=True)[:2]
            if number < len(bundle.thresholds) and first - second >= bundle.thresholds[number]:
                return total
        elif number + 1 == bundle.first and len({winner(row) for row in said}) == 1:
            return said[0]
    return total


def _by_numpy(file: ModelFile) -> Classifier:
    if file.not_portable:
        raise CertifyError(
            f"the NumPy reference knows files of the integer contract only: {file.not_portable}"
        )
    shift = 128 if file.grid.dtype == "uint8" else 0

    def by_reference(copy: list[int]) -> list[int]:
        tensor = np.array(copy, np.int16).reshape(1, *file.shape) - np.int16(shift)
        return [int(value) for value in reference_outputs(file.content, tensor)[0]]

    return by_reference


def _by_litert(file: ModelFile) -> Classifier:
    (run,) = Runners(file, count=1, batch=1, kernels="reference").runs

    def by_litert(copy: list[int]) -> list[int]:
        outputs = run(np.array(copy, file.grid.dtype).reshape(1, *file.shape))
        return [int(value) for value in outputs[0]]

    return by_litert
