"""Accuracy against the number of flipped bits, of weights and activations: a table."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.faults.activation_flips import (
    BITS,
    exposed,
    guided_masks,
    labels,
    random_masks,
)
from qrobust.attacks.faults.progressive_search import progressive_search
from qrobust.attacks.faults.stored_weights import FILE, StoredWeights
from qrobust.attacks.targets.tflite_target import TFLiteTarget
from tflite_export.contract import contract_problem
from tflite_export.graph import IntegerGraph
from tflite_export.read import read_graph

WEIGHTS, ACTIVATIONS = "weights", "activations"
RANDOM, GUIDED = "random", "gradient-guided"
#: Random flips are drawn this often; there are up to so many times as many as guided ones.
REPEATS, MORE = 10, 64
#: Guided flips of activations: one forward pass a tensor and flip.
MOST_ACTIVATIONS = 4
ALL = (WEIGHTS, ACTIVATIONS)


@dataclass(frozen=True)
class FaultRow:
    """Accuracy with some bits flipped.

    Attributes:
        where: ``"weights"`` (they stay flipped) or ``"activations"`` (of each picture its own).
        how: ``"random"`` or ``"gradient-guided"``.
        flips: bits.
        accuracy: mean over repeats; of guided flips there is one.
        least: of the repeats.
        greatest: of the repeats.
    """

    where: str
    how: str
    flips: int
    accuracy: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Faults:
    """What flipped bits leave of a file's accuracy.

    Attributes:
        model: its name.
        sha256: of the file.
        storage: where weights lie: ``"file"`` or ``"c99"``.
        images: pictures that accuracy is of.
        searched: other pictures, that the flips of weights were searched on.
        seed: of random flips.
        repeats: of random flips.
        clean: accuracy without a fault.
        weight_bits: in memory.
        activation_bits: in memory, all tensors between input and output; 0 where not looked at.
        left_out: why, where a part of the table is not there; otherwise empty.
        rows: the table.
    """

    model: str
    sha256: str
    storage: str
    images: int
    searched: int
    seed: int
    repeats: int
    clean: float
    weight_bits: int
    activation_bits: int
    left_out: str
    rows: tuple[FaultRow, ...]

    def json(self) -> str:
        """Everything, as one object."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def markdown(self) -> str:
        """The table, and what it is about."""
        head = (
            f"# Flipped bits: {self.model}\n\n{self.images} pictures, clean accuracy "
            f"{self.clean:.1%}; {self.weight_bits:,} bits of weights (storage: {self.storage}), "
            f"{self.activation_bits:,} of activations; guided flips of weights searched on "
            f"{self.searched} other pictures, random ones drawn {self.repeats} times, seed "
            f"{self.seed}.\n\n| where | how | flips | accuracy | least | greatest |\n"
            f"|---|---|---|---|---|---|\n"
        )
        lines = [
            f"| {r.where} | {r.how} | {r.flips:,} | {r.accuracy:.1%} | {r.least:.1%} | "
            f"{r.greatest:.1%} |\n"
            for r in self.rows
        ]
        return head + "".join(lines) + (f"\n{self.left_out}\n" if self.left_out else "")


def evaluate_faults(
    content: bytes,
    x: NDArray[Any],
    y: NDArray[np.int64],
    search: tuple[NDArray[Any], NDArray[np.int64]],
    flips: int,
    *,
    storage: str = FILE,
    name: str = "model.tflite",
    where: tuple[str, ...] = ALL,
    repeats: int = REPEATS,
    seed: int = 0,
    trusted: bool = False,
    told: Callable[[FaultRow], None] = lambda row: None,
) -> Faults:
    """Flip bits at random and along gradients, more and more of them.

    Every file with flipped weights runs on LiteRT itself (XNNPACK; it can round ties, so that other
    kernels may say otherwise for some pictures); activations are flipped in the integers
    of the specification, which are the file's. Outside of the integer contract weights alone are
    flipped, at random.

    Args:
        content: the file.
        x: int[n, ...], pictures in LSB.
        y: their labels.
        search: other pictures and labels, to search flips of weights on.
        flips: the most that are searched; random ones go up to 64 times as many.
        storage: of weights, see `StoredWeights`.
        name: in the report.
        where: ``"weights"``, ``"activations"`` or both.
        repeats: of random flips.
        seed: of random flips.
        trusted: run the file as it is in this process; those with flipped weights never are.
        told: called with every row when it is known.

    Raises:
        ValueError: fewer than one flip, or no weights.
        ExportError: storage "c99" of a file outside of the integer contract.
    """
    if flips < 1:
        raise ValueError(f"at least one flip. Received: {flips}")
    stored = StoredWeights(content, storage)
    problem = contract_problem(content)
    with closing(TFLiteTarget(content, name=name, trusted=trusted)) as target:
        sha256 = target.file.sha256
        clean = float((target.logits(x).argmax(axis=1) == y).mean())

    def judged(changed: bytes) -> float:
        # Never trusted: with other weights it can round ties, which leaves the integer contract.
        with closing(TFLiteTarget(changed, name=name)) as target:
            return float((target.logits(x).argmax(axis=1) == y).mean())

    rows = []
    graph = None if problem else read_graph(content, as_stored=True)

    def all_rows() -> Iterator[FaultRow]:
        if WEIGHTS in where:
            yield from _random_weights(stored, judged, flips, repeats, seed)
            if graph is not None:
                yield from _guided_weights(stored, judged, _q(search[0], graph), search[1], flips)
        if ACTIVATIONS in where and graph is not None:
            yield from _activations(graph, _q(x, graph), y, flips, repeats, seed)

    for row in all_rows():
        rows.append(row)
        told(row)
    left_out = problem and f"Random flips of weights only: {problem}"
    looked = graph is not None and ACTIVATIONS in where
    bits = sum(t.size for t in exposed(graph)) * BITS if graph is not None and looked else 0
    searched = len(search[0]) if graph is not None and WEIGHTS in where else 0
    return Faults(
        name, sha256, storage, len(x), searched, seed, repeats, clean, stored.bits, bits,
        left_out or "", tuple(rows),
    )  # fmt: skip


def _q(x: NDArray[Any], graph: IntegerGraph) -> NDArray[np.int8]:
    """The graph's own integers, which are int8 behind a border of uint8 too."""
    return np.asarray(np.rint(x) + graph.inputs[0].grid.zero_point, np.int8)


def _doubling(most: int, factor: int = 2) -> Iterator[int]:
    count = 1
    while count <= most:
        yield count
        count *= factor


def _row(where: str, how: str, flips: int, found: list[float]) -> FaultRow:
    return FaultRow(where, how, flips, float(np.mean(found)), min(found), max(found))


def _random_weights(
    stored: StoredWeights, judged: Callable[[bytes], float], flips: int, repeats: int, seed: int
) -> Iterator[FaultRow]:
    for count in _doubling(min(MORE * flips, stored.bits), 4):
        found = [
            judged(stored.flipped(stored.random(np.random.default_rng((seed, repeat)), count)))
            for repeat in range(repeats)
        ]
        yield _row(WEIGHTS, RANDOM, count, found)


def _guided_weights(
    stored: StoredWeights, judged: Callable[[bytes], float], q: Any, y: Any, flips: int
) -> Iterator[FaultRow]:
    chosen = list(progressive_search(stored, q, y, flips))
    for count in _doubling(len(chosen)):
        yield _row(WEIGHTS, GUIDED, count, [judged(stored.flipped(chosen[:count]))])


def _activations(
    graph: Any, q: Any, y: Any, flips: int, repeats: int, seed: int
) -> Iterator[FaultRow]:
    bits = sum(tensor.size for tensor in exposed(graph)) * BITS
    if not bits:
        return
    for count in _doubling(min(MORE * flips, bits), 4):
        found = []
        for repeat in range(repeats):
            rngs = [np.random.default_rng((seed, repeat, i)) for i in range(len(q))]
            found.append(float((labels(graph, q, random_masks(graph, rngs, count)) == y).mean()))
        yield _row(ACTIVATIONS, RANDOM, count, found)
    masks = guided_masks(graph, q, y, min(flips, MOST_ACTIVATIONS))
    for count in _doubling(len(masks)):
        left = float((labels(graph, q, masks[count - 1]) == y).mean())
        yield _row(ACTIVATIONS, GUIDED, count, [left])
