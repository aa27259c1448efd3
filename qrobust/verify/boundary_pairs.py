"""Regression tests of a network: pairs of inputs on both sides of a boundary, one step apart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.data import Data
from qrobust.verify.domain import Picture
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine
from tflite_export.atomic import replacing

FILE = "boundary_pairs.npz"


@dataclass(frozen=True, eq=False)
class BoundaryPair:
    """Two inputs that differ by 1 in one number and have different labels.

    Attributes:
        inside: int16[*shape], with the label of the image.
        outside: likewise, with another.
        label: of ``inside``.
        other: of ``outside``.
    """

    inside: Picture
    outside: Picture
    label: int
    other: int


def boundary_pair(problem: Problem, x: Picture, found: Picture) -> BoundaryPair:
    """Return a pair on the way from an input to one with another label.

    The way changes number after number, in C order, by 1 at a time. Somewhere on it the label
    changes for the first time in view of a bisection, which takes log2 of its length runs.

    Args:
        problem: the file.
        x: int16[*shape].
        found: int16[*shape], which the file labels otherwise.

    Raises:
        CertifyError: both have one label.
    """
    label, other = problem.predictor.labels(np.stack([x, found])).tolist()
    if label == other:
        raise CertifyError(f"both inputs have label {label}: there is no boundary between them")
    steps = np.abs(found.astype(np.int64) - x).ravel()
    ends = np.cumsum(steps)
    low, high = 0, int(ends[-1])
    while high - low > 1:
        middle = (low + high) // 2
        here = int(problem.predictor.labels(on_the_way(x, found, middle)[None])[0])
        if here == label:
            low = middle
        else:
            high, other = middle, here
    return BoundaryPair(on_the_way(x, found, low), on_the_way(x, found, high), label, other)


def on_the_way(x: Picture, found: Picture, steps: int) -> Picture:
    """Return the input after so many steps of 1 from ``x`` towards ``found``."""
    change = (found.astype(np.int64) - x).ravel()
    before = np.cumsum(np.abs(change)) - np.abs(change)
    walked = np.clip(steps - before, 0, np.abs(change)) * np.sign(change)
    return np.asarray((x.ravel() + walked).reshape(x.shape), np.int16)


def write_pairs(
    problem: Problem, data: Data, lines: Sequence[ProofLine], folder: str | os.PathLike[str]
) -> tuple[Path, int]:
    """Write a pair for every refuted line; each is run through the file once more.

    ``boundary_pairs.npz`` is data like any other: ``x`` holds grid integers, inside and outside
    in turn, ``y`` the file's labels, ``index`` the image that a pair comes from.

    Returns:
        The file, and how many pairs it holds.

    Raises:
        CertifyError: nothing was refuted, or the folder cannot be written.
    """
    pairs, indices = [], []
    for line in lines:
        if line.outcome.counterexample is not None:
            x = problem.picture(data.x[line.index])
            pairs.append(boundary_pair(problem, x, line.outcome.counterexample.picture))
            indices.append(line.index)
    if not pairs:
        raise CertifyError("no image was refuted, so no boundary is known; enlarge the region")
    x = np.stack([picture for pair in pairs for picture in (pair.inside, pair.outside)])
    y = np.array([label for pair in pairs for label in (pair.label, pair.other)])
    if (problem.predictor.labels(x) != y).any():
        raise CertifyError("the file does not reproduce its own labels; check the interpreter")
    path = Path(folder) / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            np.savez_compressed(beside, x=x, y=y, index=np.repeat(indices, 2))
    except OSError as error:
        raise CertifyError(f"cannot write {path}: {error.strerror}") from None
    return path, len(pairs)
