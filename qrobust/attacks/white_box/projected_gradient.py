"""Projected gradient descent with restarts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts, check_positive
from qrobust.attacks.ground.ball import direction, into_ball
from qrobust.attacks.ground.budget import Budget
from qrobust.attacks.ground.generators import generators, of
from qrobust.attacks.ground.pixel_grid import random_start
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import (
    CROSS_ENTROPY,
    MARGIN,
    TARGETED,
    Labels,
    Target,
    check_gradients,
    check_losses,
    loss_values,
    runners_up,
)


def projected_gradient(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 40,
    restarts: int = 4,
    step: float | None = None,
    losses: Sequence[str] = (CROSS_ENTROPY, MARGIN, TARGETED, TARGETED),
    stop: bool = True,
    seed: int = 0,
    name: str = "PGD",
) -> Attacked:
    """Ascend the loss inside the ball: ``z <- P(z + step * direction(gradient))``.

    The direction is the gradient's sign (L-inf) or the gradient over its L2 norm. The gradient is
    taken at the integer input nearest to ``z``, while ``z`` itself stays real, so that steps far
    under 1 LSB add up. An image that fell is left alone. An image whose loss did not rise for a
    tenth of the steps goes back to its best point with half the step (a schedule after Croce and
    Hein's), so the first step may be long, and on quantized networks it should be: their
    activations are plateaus, which short steps do not leave. CleverHans's own PGD draws its starts
    from TensorFlow's global generator and goes on with images that fell; a test compares both.

    Args:
        target: shows gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: of each restart.
        restarts: the first from the clean image, the others from random points of the ball.
        step: the first, in LSB; ``epsilon / 2`` by default.
        losses: restarts take them in turn; the k-th ``"targeted"`` restart goes for the k-th most
            likely other class of the clean image.
        stop: False to take all steps with all images, for the strongest point of each: what is
            shown to other models.
        seed: of the starts, with the image's position.
        name: in reports.

    Raises:
        ValueError: no steps, restarts or losses, an unknown loss, a step that is not positive.

    Source:
        Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018;
        Croce and Hein, Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
        Parameter-free Attacks, ICML 2020.
    """
    source = check_gradients(target)
    check_counts(name, steps=steps, restarts=restarts)
    check_positive(name, step=step)
    check_losses(losses)
    search = Search(source, x, y, budget, stop=stop)
    rngs = generators(seed, len(search.x))
    others = runners_up(search.logits, search.y)
    step = budget.epsilon / 2 if step is None else step
    aimed = 0
    for restart in range(restarts):
        rows = search.standing
        if not len(rows):
            break
        start = search.x[rows].astype(np.float64)
        if restart:
            start = random_start(search.x[rows], budget, search.grid, of(rngs, rows))
        loss = losses[restart % len(losses)]
        other = others[:, aimed % others.shape[1]]
        aimed += loss == TARGETED
        _ascend(search, budget, start, steps, step, loss, other)
    return search.result(name, seed)


def _ascend(
    search: Search,
    budget: Budget,
    z: NDArray[np.float64],
    steps: int,
    step: float,
    loss: str,
    other: Labels,
) -> None:
    rows = search.standing
    climb = _Climb(z, step)
    for count in range(steps):
        logits, gradients = search.offer_for_gradient(rows, z, loss, other[rows])
        # A random model that erred once may hold all the same: what is open decides.
        stands = search.open(rows)
        rows = rows[stands]
        if not len(rows):
            return
        values = loss_values(logits[stands], search.y[rows], loss, other[rows])
        climb.keep(stands)
        climb.note(z[stands], gradients[stands], values)
        if count and count % max(2, steps // 10) == 0:
            climb.turn_back()
        z = climb.z + climb.length * direction(climb.gradients, budget.norm)
        z = into_ball(z, search.x[rows], budget, search.grid)
    search.offer(rows, z)


class _Climb:
    """Where every image is, its step, and the best point it has seen."""

    def __init__(self, z: NDArray[np.float64], step: float) -> None:
        shape = (len(z),) + (1,) * (z.ndim - 1)
        self.z = self.best_z = z
        self.gradients = self.best_gradients = np.zeros_like(z)
        self.length = np.full(shape, step)
        self.best = np.full(len(z), -np.inf)
        self.rose = np.ones(len(z), bool)

    def keep(self, stands: NDArray[np.bool_]) -> None:
        for field in ("best_z", "best_gradients", "length", "best", "rose"):
            setattr(self, field, getattr(self, field)[stands])

    def note(self, z: NDArray[np.float64], gradients: Any, values: NDArray[np.float64]) -> None:
        self.z, self.gradients = z, np.asarray(gradients, np.float64)
        # An equal loss is no standstill: steps under 1 LSB add up unseen.
        better = values >= self.best
        self.rose |= better
        self.best = np.where(better, values, self.best)
        where = better.reshape(self.length.shape)
        self.best_z = np.where(where, self.z, self.best_z)
        self.best_gradients = np.where(where, self.gradients, self.best_gradients)

    def turn_back(self) -> None:
        stuck = ~self.rose.reshape(self.length.shape)
        self.length = np.where(stuck, self.length / 2, self.length)
        self.z = np.where(stuck, self.best_z, self.z)
        self.gradients = np.where(stuck, self.best_gradients, self.gradients)
        self.rose = np.zeros_like(self.rose)
