"""Auto-PGD: projected gradient ascent with momentum that chooses its own steps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.ball import Points, direction, into_ball
from qrobust.attacks.ground.budget import LINF, Budget
from qrobust.attacks.ground.generators import Generators, generators, of
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import (
    AIMED,
    CROSS_ENTROPY,
    DLR_CLASSES,
    TARGETED_DLR,
    Labels,
    Target,
    check_gradients,
    check_losses,
    loss_values,
    runners_up,
)

#: Share of a move that the new step has; the rest is the last move.
_STEP_SHARE = 0.75
#: Of the steps since the last checkpoint, so many have to raise the loss.
_RISES = 0.75


def auto_projected_gradient(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 100,
    losses: Sequence[str] = (CROSS_ENTROPY,),
    restarts: int = 1,
    stop: bool = True,
    seed: int = 0,
    name: str = "APGD",
) -> Attacked:
    """Ascend a loss with momentum; halve an image's step where it brings nothing.

    With ``P`` into the ball and ``u`` the direction of ascent (sign, or over the L2 norm)::

        w = P(z_k + step * u(z_k))
        z_(k+1) = P(z_k + .75 (w - z_k) + .25 (z_k - z_(k-1)))

    The first step is ``2 epsilon``. At checkpoints (after 22 % of the steps, then ever sooner, down
    to 6 %) an image goes back to its best point with half the step where fewer than three quarters
    of the steps raised its loss, or where neither its step nor its best loss changed since the last
    checkpoint. Nothing is left to tune. ``z`` is real, and the gradient is taken at the integer
    input nearest to it, straight through quantizers; an image that fell is left alone.

    Args:
        target: shows gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: of each restart.
        losses: restarts take them in turn; the k-th restart that aims goes for the k-th most likely
            other class of the clean image. A DLR loss needs four classes.
        restarts: each from a random point on the ball's surface.
        stop: False to take all steps with all images.
        seed: of the starts, with the image's position.
        name: in reports.

    Raises:
        ValueError: no steps, restarts or losses, an unknown loss, too few classes for it.

    Source:
        Croce and Hein, Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
        Parameter-free Attacks, ICML 2020, algorithm 1 and section 4.
    """
    source = check_gradients(target)
    check_counts(name, steps=steps, restarts=restarts)
    check_losses(losses)
    if TARGETED_DLR in losses and target.classes < DLR_CLASSES:
        raise ValueError(
            f"The loss {TARGETED_DLR} needs {DLR_CLASSES} classes or more; {target.name} has "
            f'{target.classes}. Take "targeted".'
        )
    search = Search(source, x, y, budget, stop=stop)
    rngs = generators(seed, len(search.x))
    others = runners_up(search.logits, search.y)
    aims = 0
    for restart in range(restarts):
        rows = search.standing
        if not len(rows):
            break
        loss = losses[restart % len(losses)]
        other = others[:, aims % others.shape[1]]
        aims += loss in AIMED
        start = search.x[rows] + _surface(search.x.shape[1:], budget, of(rngs, rows))
        _Ascent(search, budget, into_ball(start, search.x[rows], budget, search.grid)).run(
            steps, loss, other
        )
    return search.result(name, seed)


def checkpoints(steps: int) -> Iterator[tuple[int, int]]:
    """Yield steps after which images are judged, each with the steps since the one before.

    ``w_j = ceil(p_j steps)`` with ``p_0 = 0``, ``p_1 = .22`` and
    ``p_(j+1) = p_j + max(p_j - p_(j-1) - .03, .06)``.
    """
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    for before, after in pairwise(-(-share * steps // 100) for share in shares):
        if before < after <= steps:
            yield after, after - before


def _surface(shape: tuple[int, ...], budget: Budget, rngs: Generators) -> Points:
    """Perturbations of size epsilon in random directions, float64[n, *shape]."""
    found = []
    for rng in rngs:
        delta = rng.uniform(-1, 1, shape) if budget.norm == LINF else rng.normal(size=shape)
        size = np.abs(delta).max() if budget.norm == LINF else np.sqrt((delta**2).sum())
        found.append(budget.epsilon * delta / max(float(size), 1e-12))
    return np.stack(found)


class _Ascent:
    """One restart: where every open image is and was, its step, and the best point it has seen."""

    #: One entry an image.
    _FIELDS = ("rows", "z", "before", "step", "best_z", "best_gradients", "best", "last", "rises")
    _MORE = ("checked_best", "halved", "gradients")

    def __init__(self, search: Search, budget: Budget, start: Points) -> None:
        count = len(start)
        self.search, self.budget = search, budget
        self.rows = search.standing
        self.z = self.before = self.best_z = start
        self.gradients = self.best_gradients = np.zeros_like(start)
        self.step = np.full((count,) + (1,) * (start.ndim - 1), 2.0 * budget.epsilon)
        self.best = self.last = self.checked_best = np.full(count, -np.inf)
        self.rises = np.zeros(count, np.int64)
        self.halved = np.ones(count, bool)

    def run(self, steps: int, loss: str, other: Labels) -> None:
        """Take the steps; images that fall drop out."""
        due = dict(checkpoints(steps))
        self._look(loss, other)
        self.checked_best = self.best
        self.rises = np.zeros_like(self.rises)  # the first look raised nothing
        for done in range(1, steps + 1):
            if not len(self.rows):
                return
            self._move(share=_STEP_SHARE if done > 1 else 1.0)
            self._look(loss, other)
            if done in due:
                self._judge(due[done])

    def _move(self, *, share: float) -> None:
        x, grid = self.search.x[self.rows], self.search.grid
        ahead = self.z + self.step * direction(self.gradients, self.budget.norm)
        ahead = into_ball(ahead, x, self.budget, grid)
        moved = self.z + share * (ahead - self.z) + (1 - share) * (self.z - self.before)
        self.before, self.z = self.z, into_ball(moved, x, self.budget, grid)

    def _look(self, loss: str, other: Labels) -> None:
        search = self.search
        logits, gradients = search.offer_for_gradient(self.rows, self.z, loss, other[self.rows])
        self.gradients = np.asarray(gradients, np.float64)
        stands = search.open(self.rows)
        for name in (*self._FIELDS, *self._MORE):
            setattr(self, name, getattr(self, name)[stands])
        values = loss_values(logits[stands], search.y[self.rows], loss, other[self.rows])
        self.rises += values > self.last
        self.last = values
        better = values > self.best
        self.best = np.where(better, values, self.best)
        where = better.reshape(self.step.shape)
        self.best_z = np.where(where, self.z, self.best_z)
        self.best_gradients = np.where(where, self.gradients, self.best_gradients)

    def _judge(self, since: int) -> None:
        stuck = (self.checked_best >= self.best) & ~self.halved
        halve = stuck | (self.rises < _RISES * since)
        where = halve.reshape(self.step.shape)
        self.step = np.where(where, self.step / 2, self.step)
        self.z = np.where(where, self.best_z, self.z)
        self.gradients = np.where(where, self.best_gradients, self.gradients)
        self.halved, self.checked_best = halve, self.best
        self.rises = np.zeros_like(self.rises)
