"""What every attack does alike: look at candidates, keep what fooled the model, count queries."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import Budget
from qrobust.attacks.grid import Integers, distances, project, verify
from qrobust.attacks.target import Floats, Target, check_gradients, check_images


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack left.

    Attributes:
        name: of the attack.
        budget: the ball it stayed in; None where it looked for the smallest perturbation.
        clean: int16[n, ...], the inputs.
        adversarial: int16[n, ...], on the grid, in the ball; the input itself where it held.
        fallen: bool[n], whether the model errs there (also where it erred without an attack).
        queries: int64[n], inputs shown to the model for each image, the clean one among them.
        seed: of the attack's randomness; None where there is none.
        seconds: it took.
    """

    name: str
    budget: Budget | None
    clean: Integers
    adversarial: Integers
    fallen: NDArray[np.bool_]
    queries: NDArray[np.int64]
    seed: int | None
    seconds: float

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
        size = distances(self.clean, self.adversarial)[budget.norm]
        return float(1 - (self.fallen & (size <= budget.epsilon)).mean())


class Search:
    """The state of one attack on some images.

    Args:
        target: the model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball; None for attacks that look for the smallest perturbation.

    Raises:
        ValueError: inputs off the grid, labels out of range.
    """

    def __init__(
        self, target: Target, x: NDArray[Any], y: NDArray[Any], budget: Budget | None
    ) -> None:
        self._started = time.perf_counter()
        self.target = target
        self.grid = target.grid
        self.budget = budget
        self.x, self.y = check_images(target, x, y)
        self.best = self.x.copy()
        self.logits = target.logits(self.x)
        self.fallen = self.logits.argmax(axis=1) != self.y
        self.queries = np.ones(len(self.x), np.int64)
        self._size = np.where(self.fallen, 0.0, np.inf)

    @property
    def standing(self) -> NDArray[np.intp]:
        """Indices of the images that still hold."""
        return np.flatnonzero(~self.fallen)

    def offer(self, rows: NDArray[np.intp], wanted: NDArray[Any]) -> Floats:
        """Show the model the integer inputs nearest to what is wanted; return their logits.

        Args:
            rows: [m], which image each candidate belongs to; once each.
            wanted: [m, *shape] in LSB.
        """
        candidates = project(self.x[rows], wanted, self.budget, self.grid)
        logits = self.target.logits(candidates)
        self._keep(rows, candidates, logits)
        return logits

    def offer_for_gradient(
        self, rows: NDArray[np.intp], wanted: NDArray[Any], loss: str
    ) -> tuple[Floats, Floats]:
        """As `offer`, with the gradient at the integer input (straight through the rounding)."""
        candidates = project(self.x[rows], wanted, self.budget, self.grid)
        logits, gradients = check_gradients(self.target).gradients(candidates, self.y[rows], loss)
        self._keep(rows, candidates, logits)
        return logits, gradients

    def ask(self, rows: NDArray[np.intp], points: NDArray[Any]) -> Floats:
        """Logits of points that are no candidates, only clipped to the grid; counted all the same.

        Args:
            rows: [m], which image each point belongs to; may repeat.
            points: [m, *shape] in LSB.
        """
        points = np.rint(np.clip(points, self.grid.low, self.grid.high)).astype(np.int16)
        self.queries += np.bincount(rows, minlength=len(self.x))
        return self.target.logits(points)

    def _keep(self, rows: NDArray[np.intp], candidates: Integers, logits: Floats) -> None:
        self.queries[rows] += 1
        wrong = logits.argmax(axis=1) != self.y[rows]
        if self.budget is None:  # the smallest perturbation counts, not the first
            size = distances(self.x[rows], candidates)["l2"]
            wrong &= size < self._size[rows]
            self._size[rows[wrong]] = size[wrong]
        else:
            wrong &= ~self.fallen[rows]
        self.best[rows[wrong]] = candidates[wrong]
        self.fallen[rows[wrong]] = True

    def result(self, name: str, seed: int | None = None) -> Attacked:
        """What was found, verified to lie on the grid and in the ball."""
        verify(self.x, self.best, self.budget, self.grid)
        return Attacked(
            name=name,
            budget=self.budget,
            clean=self.x,
            adversarial=self.best,
            fallen=self.fallen.copy(),
            queries=self.queries.copy(),
            seed=seed,
            seconds=round(time.perf_counter() - self._started, 3),
        )
