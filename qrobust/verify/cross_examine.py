"""Attacks on proofs, each in its proof's own threat model: none may succeed.

Families meet members drawn by their definition, not from the list of members; boxes meet projected
gradient descent, random corners and random points; changes of pixels meet a greedy search and
random pixels. The same attacks run on images that were refuted, as a control: attacks that fool
nothing there would say nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qrobust.certify.run.data import Data
from qrobust.verify.bounding import first_changed
from qrobust.verify.corners import Corners
from qrobust.verify.domain import Picture
from qrobust.verify.outcome import PROVEN, REFUTED, Counterexample
from qrobust.verify.pixels import greedy, pixels_of
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine
from qrobust.verify.regions import FamilyOf, PixelChanges, Region
from qrobust.verify.search import descend

_DRAWS = 128


@dataclass(frozen=True)
class Defect:
    """An input inside a proven region that the file labels otherwise.

    Attributes:
        index: of the image.
        label: that was proven.
        found: label of the input.
    """

    index: int
    label: int
    found: int

    def __str__(self) -> str:
        return (
            f"defect: image {self.index} is proven to be {self.label}, but an input of its region "
            f"is {self.found}"
        )


@dataclass(frozen=True)
class CrossExamination:
    """What attacks on a journal of proofs found.

    Attributes:
        attacked: proven images.
        defects: successes there; each fails the command.
        control: refuted images that were attacked likewise.
        fooled: successes there.
        inferences: runs of the file.
    """

    attacked: int
    defects: tuple[Defect, ...]
    control: int
    fooled: int
    inferences: int


def cross_examine(
    problem: Problem,
    region: Region,
    data: Data,
    lines: Sequence[ProofLine],
    *,
    corners: Corners | None = None,
    draws: int = _DRAWS,
    control: int = 20,
    seed: int = 0,
) -> CrossExamination:
    """Attack every proven image of a journal, and some refuted ones.

    Args:
        problem: the file.
        region: of the proofs.
        data: the images.
        lines: of the journal.
        corners: of the images, where each has a box of its own.
        draws: members or points for each image.
        control: most refuted images.
        seed: of the draws.
    """
    defects, attacked, fooled, tried, runs = [], 0, 0, 0, 0
    for line in lines:
        status = line.outcome.status
        if status != PROVEN and (status != REFUTED or tried >= control):
            continue
        x = problem.picture(data.x[line.index])
        label = line.outcome.predicted
        here = region if corners is None else corners.of(line.index, x, problem.domain)
        found, ran = _attack(
            problem, here, x, label, draws, np.random.default_rng([seed, line.index])
        )
        runs += ran
        if status == REFUTED:
            tried += 1
            fooled += found is not None
            continue
        attacked += 1
        if found is not None:
            defects.append(Defect(line.index, label, found.label))
    return CrossExamination(attacked, tuple(defects), tried, fooled, runs)


def _attack(
    problem: Problem,
    region: Region,
    x: Picture,
    label: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[Counterexample | None, int]:
    if isinstance(region, FamilyOf):
        family = problem.family(region.text)
        pictures = np.stack([family.draw(x, rng) for _ in range(draws)])
        return first_changed(problem, pictures, label), draws
    if isinstance(region, PixelChanges):
        return _change_pixels(problem, region.count, x, label, draws, rng)
    box = region.box(x, problem.domain)
    shape = (draws, *box.low.shape)
    points = rng.integers(box.low, box.high.astype(np.int64) + 1, shape)
    corners = np.where(rng.random(shape) < 0.5, box.low, box.high)
    pictures = np.concatenate([points, corners]).astype(np.int16)
    found = first_changed(problem, pictures, label)
    if found is not None:
        return found, len(pictures)
    found, ran = descend(problem, x, box, label, seed=int(rng.integers(1 << 31)))
    return found, len(pictures) + ran


def _change_pixels(
    problem: Problem,
    count: int,
    x: Picture,
    label: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[Counterexample | None, int]:
    """Greedy search, then random pixels with random contents."""
    found, ran = greedy(problem, x, most=count)
    if found is not None:
        return found, ran
    total = pixels_of(x)
    pictures = np.repeat(x[None], draws, axis=0)
    rows = pictures.reshape(draws, total, -1)
    for row in rows:
        chosen = rng.choice(total, count, replace=False)
        shape = row[chosen].shape
        row[chosen] = rng.integers(problem.domain.low, problem.domain.high + 1, shape)
    return first_changed(problem, pictures, label), ran + draws
