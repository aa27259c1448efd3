"""Changes of at most k pixels, any content (L0): every set of k pixels is proven on its own.

A set of pixels is a box: those pixels free, all others fixed. Small boxes are enumerated through
the file, others are bounded and cut. Bounds on the smallest number of pixels that change a label
(after Ruan et al. 2019) follow: from below by proofs for k = 1, 2, ..., from above by an attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, product

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.bounding import shown_by_intervals
from qrobust.verify.branching import branch
from qrobust.verify.domain import Integers, Picture
from qrobust.verify.exhaustion import exhaust_box
from qrobust.verify.methods import check_budget, register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Box, PixelChanges, Region

METHOD = "subsets"
DEFAULT_BUDGET = 1_000_000
_TOGETHER = 64
#: Boxes with at most this many inputs are enumerated: one grey pixel is 256.
_ENUMERATED = 4096
#: Boxes that one set of pixels may be cut into before the next is tried.
_CUTS = 500


@register(METHOD)
def subsets(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """Prove every set of pixels, the most sensitive first; the budget counts runs and boxes."""
    if not isinstance(region, PixelChanges):
        raise CertifyError(f"{METHOD} proves changes of pixels (l0:K), not {region.text!r}")
    return prove_changes(problem, x, region.count, budget=budget)


def prove_changes(problem: Problem, x: Picture, count: int, *, budget: int) -> Outcome:
    """Prove that no change of at most ``count`` pixels changes the label, or refute it.

    Args:
        problem: the file.
        x: int16[h, w, ...], grid integers; a pixel is all that lies at one row and column.
        count: k, from 1 to the number of pixels.
        budget: most runs of the file and boxes, together.

    Raises:
        CertifyError: more pixels than there are, or a budget below 1.
    """
    check_budget(budget)
    pixels = pixels_of(x)
    if not 1 <= count <= pixels:
        raise CertifyError(f"l0 takes 1 to {pixels} pixels of this input, received {count}")
    label = int(problem.predictor.labels(x[None])[0])
    margins, found = _corner_margins(problem, x, label)
    runs, boxes = 1 + margins.size, 0
    if found is not None:
        return Outcome(REFUTED, label, METHOD, runs, boxes, counterexample=found)
    order = np.argsort(margins.min(axis=1), kind="stable").tolist()
    complete = True
    for some in _batches(combinations(order, count)):
        # Sets that intervals prove at once count, too: there may be millions.
        if runs + boxes + len(some) > budget:
            return Outcome(UNKNOWN, label, METHOD, runs, boxes)
        stack = [freed(x, chosen, problem) for chosen in some]
        boxes += len(stack)
        proven = shown_by_intervals(problem.graph, problem.interval(stack), label)
        for box, done in zip(stack, proven, strict=True):
            if done:
                continue
            if runs + boxes >= budget:
                return Outcome(UNKNOWN, label, METHOD, runs, boxes)
            outcome = _decide(problem, x, box, label, budget - runs - boxes)
            runs, boxes = runs + outcome.inferences, boxes + outcome.boxes
            if outcome.status == REFUTED:
                return Outcome(
                    REFUTED, label, METHOD, runs, boxes, counterexample=outcome.counterexample
                )
            complete = complete and outcome.status == PROVEN
    return Outcome(PROVEN if complete else UNKNOWN, label, METHOD, runs, boxes)


def _decide(problem: Problem, x: Picture, box: Box, label: int, left: int) -> Outcome:
    if box.volume <= min(_ENUMERATED, left):
        return exhaust_box(problem.predictor, x, box, budget=box.volume)
    return branch(problem, box, label, budget=min(_CUTS, left))


def pixels_of(x: Picture | Integers) -> int:
    """How many pixels an input has: rows times columns, or numbers of a vector."""
    return int(np.prod(x.shape[:2])) if x.ndim > 1 else x.size


def freed(x: Picture, pixels: tuple[int, ...], problem: Problem) -> Box:
    """Return the box in which some pixels are free and all others fixed."""
    low, high = x.copy(), x.copy()
    for ends, value in ((low, problem.domain.low), (high, problem.domain.high)):
        ends.reshape(pixels_of(x), -1)[list(pixels)] = value
    return Box(low, high)


def _batches(items: Iterator[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    while some := list(islice(items, _TOGETHER)):
        yield some


def _corner_margins(
    problem: Problem, x: Picture, label: int
) -> tuple[Integers, Counterexample | None]:
    """Margins with each pixel at each of its corners, int64[pixels, corners]; a change if met."""
    pixels = pixels_of(x)
    flat = x.reshape(pixels, -1)
    ends = (problem.domain.low, problem.domain.high)
    corners = np.array(list(product(ends, repeat=min(flat.shape[1], 4))), np.int16)
    margins = np.empty((pixels, len(corners)), np.int64)
    for pixel in range(pixels):
        changed = np.repeat(flat[None], len(corners), axis=0)
        changed[:, pixel, : corners.shape[1]] = corners
        pictures = changed.reshape(-1, *x.shape)
        logits = problem.predictor.predict_batch(pictures)
        labels = logits.argmax(axis=1)
        if (labels != label).any():
            i = int(np.nonzero(labels != label)[0][0])
            return margins, Counterexample(pictures[i], int(labels[i]))
        margins[pixel] = logits[:, label] - np.delete(logits, label, axis=1).max(axis=1)
    return margins, None


@dataclass(frozen=True, eq=False)
class PixelBounds:
    """Bounds on the smallest number of pixels that change a label.

    Attributes:
        lower: proven: no fewer pixels do; at least 1.
        upper: an input with so many changed pixels has another label; None if none was found.
        counterexample: that input.
        predicted: the label.
        inferences: runs of the file.
        boxes: bounded.
    """

    lower: int
    upper: int | None
    counterexample: Counterexample | None
    predicted: int
    inferences: int
    boxes: int

    @property
    def meet(self) -> bool:
        """Whether the number is known exactly."""
        return self.lower == self.upper


def pixel_bounds(
    problem: Problem, x: Picture, *, most: int = 2, budget: int = DEFAULT_BUDGET
) -> PixelBounds:
    """Return both bounds; more budget never makes one worse.

    Args:
        problem: the file.
        x: int16[h, w, ...], grid integers.
        most: proofs are tried up to this number of pixels.
        budget: most runs and boxes of each number's proof.
    """
    found, runs = greedy(problem, x)
    label = int(problem.predictor.labels(x[None])[0])
    upper = None if found is None else changed_pixels(x, found.picture)
    lower, boxes = 1, 0
    for count in range(1, most + 1):
        if upper is not None and count >= upper:
            break
        outcome = prove_changes(problem, x, count, budget=budget)
        runs, boxes = runs + outcome.inferences, boxes + outcome.boxes
        if outcome.status == REFUTED and outcome.counterexample is not None:
            found = outcome.counterexample
            upper = changed_pixels(x, found.picture)
        if outcome.status != PROVEN:
            break
        lower = count + 1
    return PixelBounds(lower, upper, found, label, runs, boxes)


def changed_pixels(x: Picture, other: Picture) -> int:
    """How many pixels differ."""
    pixels = pixels_of(x)
    return int((x.reshape(pixels, -1) != other.reshape(pixels, -1)).any(axis=1).sum())


def greedy(problem: Problem, x: Picture, *, most: int = 12) -> tuple[Counterexample | None, int]:
    """Change one pixel after the other to whichever corner leaves the least margin.

    Args:
        problem: the file.
        x: int16[h, w, ...], grid integers.
        most: pixels.

    Returns:
        An input with another label, or None, and how often the file ran.
    """
    label = int(problem.predictor.labels(x[None])[0])
    pixels, now, runs = pixels_of(x), x.copy(), 1
    ends = (problem.domain.low, problem.domain.high)
    width = now.reshape(pixels, -1).shape[1]
    corners = np.array(list(product(ends, repeat=min(width, 4))), np.int16)
    for _ in range(min(most, pixels)):
        margins, found = _corner_margins(problem, now, label)
        runs += margins.size
        if found is not None:
            return found, runs
        pixel, corner = divmod(int(margins.argmin()), len(corners))
        now = now.copy()
        now.reshape(pixels, -1)[pixel, : corners.shape[1]] = corners[corner]
    return None, runs
