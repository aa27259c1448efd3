"""What every attack does alike: look at candidates, keep what fooled the model, count queries."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.budget import L2, NORMS, Budget
from qrobust.attacks.ground.pixel_grid import Integers, distances, project, sizes, verify
from qrobust.attacks.ground.target import (
    Floats,
    Labels,
    Target,
    check_gradients,
    check_images,
    cost,
    errs,
    margins,
)

#: Fresh answers of a random model that have to agree, on average, that an image fell.
CONFIRMATIONS = 8


@dataclass(frozen=True, eq=False, repr=False)
class Attacked:
    """What an attack left.

    Attributes:
        name: of the attack.
        budget: the ball it stayed in; None where it looked for the smallest perturbation.
        clean: int16[n, ...], the inputs.
        adversarial: int16[n, ...], on the grid, in the ball; the input itself where it held.
        strongest: int16[n, ...], on the grid, in the ball: the candidate of least margin, whether
            or not the model erred there; ``adversarial`` where there is no ball. This is what
            transfers.
        fallen: bool[n], whether the model errs there (also where it erred without an attack).
        queries: int64[n], inputs shown to the model for each image, the clean one among them; of
            a random model, its noisy copies.
        seed: of the attack's randomness; None where there is none.
        seconds: it took.
    """

    name: str
    budget: Budget | None
    clean: Integers
    adversarial: Integers
    strongest: Integers
    fallen: NDArray[np.bool_]
    queries: NDArray[np.int64]
    seed: int | None
    seconds: float

    def __repr__(self) -> str:
        """One line: the arrays have thousands of numbers."""
        ball = "smallest perturbation" if self.budget is None else str(self.budget)
        return (
            f"Attacked({self.name}, {ball}: {int(self.fallen.sum())} of {len(self.fallen)} fell, "
            f"{int(self.queries.sum())} queries, {self.seconds:g} s)"
        )

    @property
    def accuracy(self) -> float:
        """Share of all images still classified correctly."""
        return float(1 - self.fallen.mean())

    @property
    def moved(self) -> NDArray[np.bool_]:
        """bool[n]: images that an attack, not the model's own error, brought down."""
        axes = tuple(range(1, self.clean.ndim))
        moved: NDArray[np.bool_] = self.fallen & (self.clean != self.adversarial).any(axes)
        return moved

    def within(self, budget: Budget) -> float:
        """Accuracy when only perturbations inside a ball count."""
        size = sizes(self.clean, self.adversarial, budget.norm)
        return float(1 - (self.fallen & (size <= budget.epsilon)).mean())


class Search:
    """The state of one attack on some images.

    A random model (one with ``draws``) is asked again, `CONFIRMATIONS` times, before an image
    counts as fallen: the mean class probabilities of the fresh answers decide, not the one draw
    that happened to err. Each candidate is judged anew, so near a boundary many candidates still
    favour the attacker.

    Args:
        target: the model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball; None for attacks that look for the smallest perturbation.
        norm: of the perturbation to make small where there is no budget.
        confidence: margin, in logits, that the other class of a candidate must have.
        stop: False to go on with images that fell, for the point of least margin.

    Raises:
        ValueError: inputs off the grid, labels out of range, an unknown norm.
    """

    def __init__(
        self,
        target: Target,
        x: NDArray[Any],
        y: NDArray[Any],
        budget: Budget | None,
        *,
        norm: str = L2,
        confidence: float = 0.0,
        stop: bool = True,
    ) -> None:
        if norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}. Received: {norm!r}")
        self._started = time.perf_counter()
        self.target = target
        self.grid = target.grid
        self.budget = budget
        self.stop = stop
        self._norm, self._confidence, self._cost = norm, confidence, cost(target)
        self.x, self.y = check_images(target, x, y)
        self.best, self.strongest = self.x.copy(), self.x.copy()
        self.queries = np.zeros(len(self.x), np.int64)
        rows = np.arange(len(self.x))
        self.logits = self._show(rows, self.x)
        self.fallen = self._confirmed(rows, self.x, errs(self.logits, self.y), confidence=0.0)
        self._size = np.where(self.fallen, 0.0, np.inf)
        self._margin = np.full(len(self.x), np.inf)

    @property
    def standing(self) -> NDArray[np.intp]:
        """Indices of the images to go on with: those that still hold, or all."""
        return np.flatnonzero(self.open(np.arange(len(self.x))))

    def open(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """bool[m]: which of some images to go on with."""
        return np.asarray(~self.fallen[rows] | (not self.stop))

    def offer(self, rows: NDArray[np.intp], wanted: NDArray[Any]) -> Floats:
        """Show the model the integer inputs nearest to what is wanted; return their logits.

        Args:
            rows: [m], which image each candidate belongs to; once each.
            wanted: [m, *shape] in LSB.
        """
        candidates = project(self.x[rows], wanted, self.budget, self.grid)
        logits = self._show(rows, candidates)
        self._keep(rows, candidates, logits)
        return logits

    def offer_for_gradient(
        self, rows: NDArray[np.intp], wanted: NDArray[Any], loss: str, other: Labels | None = None
    ) -> tuple[Floats, Floats]:
        """As `offer`, with the gradient at the integer input (straight through the rounding)."""
        candidates = project(self.x[rows], wanted, self.budget, self.grid)
        logits, gradients = check_gradients(self.target).gradients(
            candidates, self.y[rows], loss, other
        )
        self.queries[rows] += self._cost
        self._keep(rows, candidates, logits)
        return logits, gradients

    def ask(self, rows: NDArray[np.intp], points: NDArray[Any]) -> Floats:
        """Logits of points that are no candidates, only clipped to the grid; counted all the same.

        Args:
            rows: [m], which image each point belongs to; may repeat.
            points: [m, *shape] in LSB.
        """
        points = np.rint(np.clip(points, self.grid.low, self.grid.high)).astype(np.int16)
        return self._show(rows, points)

    def count(self, rows: NDArray[np.intp], times: int = 1) -> None:
        """Count answers that an attack took from the target's ``model_fn`` itself."""
        self.queries[rows] += times * self._cost
        self.target.queries += times * self._cost * len(rows)

    def _show(self, rows: NDArray[np.intp], points: NDArray[Any]) -> Floats:
        self.queries += self._cost * np.bincount(rows, minlength=len(self.x))
        return self.target.logits(points)

    def _keep(self, rows: NDArray[np.intp], candidates: Integers, logits: Floats) -> None:
        wrong = errs(logits, self.y[rows], self._confidence)
        if self.budget is None:  # the smallest perturbation counts, not the first
            size = distances(self.x[rows], candidates)[self._norm]
            wrong &= size < self._size[rows]
            wrong = self._confirmed(rows, candidates, wrong, self._confidence)
            self._size[rows[wrong]] = size[wrong]
        else:
            self._strengthen(rows, candidates, logits, wrong)
            wrong = self._confirmed(rows, candidates, wrong & ~self.fallen[rows], self._confidence)
        self.best[rows[wrong]] = candidates[wrong]
        self.fallen[rows[wrong]] = True

    def _strengthen(
        self,
        rows: NDArray[np.intp],
        candidates: Integers,
        logits: Floats,
        wrong: NDArray[np.bool_],
    ) -> None:
        margin = margins(logits, self.y[rows]).astype(np.float64)
        # A tie that fools goes before one that does not. Of equal margins the first counts, unless
        # it is the clean input: on a plateau any step is stronger than none.
        margin = np.where(wrong, np.minimum(margin, -1e-30), margin)
        axes = tuple(range(1, self.x.ndim))
        unmoved = (self.strongest[rows] == self.x[rows]).all(axes)
        least = self._margin[rows]
        better = (margin < least) | (unmoved & (margin == least))
        self._margin[rows[better]] = margin[better]
        self.strongest[rows[better]] = candidates[better]

    def _confirmed(
        self,
        rows: NDArray[np.intp],
        candidates: Integers,
        wrong: NDArray[np.bool_],
        confidence: float,
    ) -> NDArray[np.bool_]:
        """The same where the model is no random one; else what its fresh answers say."""
        again = np.flatnonzero(wrong)
        if not hasattr(self.target, "draws") or not len(again):
            return wrong
        answers = [self._show(rows[again], candidates[again]) for _ in range(CONFIRMATIONS)]
        mean = np.logaddexp.reduce(np.stack(answers), axis=0) - np.float32(np.log(CONFIRMATIONS))
        confirmed = wrong.copy()
        confirmed[again] = errs(mean, self.y[rows[again]], confidence)
        return confirmed

    def result(self, name: str, seed: int | None = None) -> Attacked:
        """What was found, verified to lie on the grid and in the ball."""
        strongest = self.best if self.budget is None else self.strongest
        for points in (self.best, strongest):
            verify(self.x, points, self.budget, self.grid)
        return Attacked(
            name=name,
            budget=self.budget,
            clean=self.x,
            adversarial=self.best,
            strongest=strongest,
            fallen=self.fallen.copy(),
            queries=self.queries.copy(),
            seed=seed,
            seconds=round(time.perf_counter() - self._started, 3),
        )
