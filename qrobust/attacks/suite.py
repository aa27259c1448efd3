"""The attacks of one evaluation, standard or full."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import L2, LINF, Budget
from qrobust.attacks.carlini_wagner import carlini_wagner
from qrobust.attacks.cleverhans_attacks import basic_iterative, fast_gradient, momentum_iterative
from qrobust.attacks.deepfool import deepfool
from qrobust.attacks.grid import distances
from qrobust.attacks.hop_skip_jump import hop_skip_jump
from qrobust.attacks.keras_target import KerasTarget
from qrobust.attacks.projected_gradient import projected_gradient
from qrobust.attacks.random_search import random_search
from qrobust.attacks.search import Attacked
from qrobust.attacks.spsa import spsa
from qrobust.attacks.square import square
from qrobust.attacks.target import Target
from qrobust.attacks.transfer import show


def white_box(
    target: KerasTarget,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield FGSM, BIM, MI-FGSM, PGD, SPSA, Carlini-Wagner L2 and DeepFool as they finish.

    The full suite takes Bernhard's settings: BIM with 300 steps of ``epsilon / 100``, Carlini and
    Wagner with 10 searches of 100 steps, SPSA with 100 steps of 128 samples.

    Args:
        target: a Keras model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball; the last two look for the smallest L2 perturbation instead.
        full: the long suite.
        seed: of what is random.
    """
    steps, step = (300, budget.epsilon / 100) if full else (20, None)
    yield fast_gradient(target, x, y, budget)
    yield basic_iterative(target, x, y, budget, steps=steps, step=step)
    yield momentum_iterative(target, x, y, budget, steps=steps, step=step)
    rounds = {"steps": 100, "restarts": 10} if full else {}
    yield projected_gradient(target, x, y, budget, seed=seed, **rounds)
    estimate = {"steps": 100, "samples": 128} if full else {}
    yield spsa(target, x, y, budget, seed=seed, **estimate)
    search = {"searches": 10, "steps": 100} if full else {"searches": 5, "steps": 50}
    yield carlini_wagner(target, x, y, **search)
    yield deepfool(target, x, y)


def black_box(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield random search, Square, SPSA and HopSkipJump as they finish.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        full: ten times the queries.
        seed: of what is random.
    """
    yield random_search(target, x, y, budget, queries=1000 if full else 100, seed=seed)
    yield square(target, x, y, budget, queries=5000 if full else 500, seed=seed)
    estimate = {"steps": 100, "samples": 128} if full else {}
    yield spsa(target, x, y, budget, seed=seed, **estimate)
    walk = {"iterations": 30, "samples": 100} if full else {"iterations": 8, "samples": 50}
    yield hop_skip_jump(target, x, y, budget, seed=seed, **walk)


def transferred(
    target: Target,
    surrogate: KerasTarget,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield what PGD and MI-FGSM find on a surrogate, shown to the target.

    Arguments as for `black_box`; ``surrogate`` shows gradients.
    """
    rounds = {"steps": 100, "restarts": 10} if full else {}
    pgd = projected_gradient(surrogate, x, y, budget, seed=seed, **rounds)
    momentum = momentum_iterative(surrogate, x, y, budget)
    for attack in (pgd, momentum):
        yield show(attack, target, y, name=f"{attack.name} on {surrogate.name}")


def worst_case(attacks: Sequence[Attacked], budget: Budget) -> float:
    """Accuracy when the best of all attacks inside a ball is taken for each image."""
    return float(1 - _fallen(attacks, budget).mean())


def _fallen(attacks: Sequence[Attacked], budget: Budget) -> NDArray[np.bool_]:
    fallen = np.zeros(len(attacks[0].fallen), bool)
    for attack in attacks:
        size = distances(attack.clean, attack.adversarial)[budget.norm]
        fallen |= attack.fallen & (size <= budget.epsilon)
    return fallen


def robustness_curve(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    attacks: Sequence[Attacked],
    budget: Budget,
    *,
    seed: int = 0,
) -> dict[float, float]:
    """Accuracy against epsilon, from an eighth to eight times the budget, 0 first.

    PGD (20 steps, 2 restarts) where the target shows gradients, else Square (200 queries), on the
    images that hold at every smaller epsilon; what other attacks found inside a ball counts too.

    Returns:
        epsilon in LSB -> accuracy in [0, 1], never rising.
    """
    widest = target.grid.span * (np.sqrt(np.prod(target.shape)) if budget.norm == L2 else 1)
    epsilons = [budget.epsilon * 2.0**k for k in range(-3, 4)]
    if budget.norm == LINF:
        epsilons = [float(int(e)) for e in epsilons]
    down = _fallen(attacks, Budget(1, budget.norm)) & ~np.any([a.moved for a in attacks], axis=0)
    curve = {0.0: float(1 - down.mean())}
    for epsilon in sorted({e for e in epsilons if 1 <= e <= widest}):
        ball = Budget(epsilon, budget.norm)
        down |= _fallen(attacks, ball)
        rows = np.flatnonzero(~down)
        if len(rows):
            if hasattr(target, "gradients"):
                found = projected_gradient(
                    target, x[rows], y[rows], ball, steps=20, restarts=2, seed=seed
                )
            else:
                found = square(target, x[rows], y[rows], ball, queries=200, seed=seed)
            down[rows] |= found.fallen
        curve[epsilon] = float(1 - down.mean())
    return curve
