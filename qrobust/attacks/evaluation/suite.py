"""The attacks of one evaluation, standard or full."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.hop_skip_jump import hop_skip_jump
from qrobust.attacks.black_box.random_search import random_search
from qrobust.attacks.black_box.spsa import spsa
from qrobust.attacks.black_box.square import square
from qrobust.attacks.evaluation.masking import Masking, masking_checks
from qrobust.attacks.evaluation.suite_settings import SuiteSettings, suite_settings
from qrobust.attacks.evaluation.transfer import show
from qrobust.attacks.ground.budget import L2, LINF, Budget
from qrobust.attacks.ground.pixel_grid import distances
from qrobust.attacks.ground.search import Attacked
from qrobust.attacks.ground.target import Target
from qrobust.attacks.white_box.carlini_wagner import carlini_wagner
from qrobust.attacks.white_box.cleverhans_attacks import (
    basic_iterative,
    fast_gradient,
    momentum_iterative,
)
from qrobust.attacks.white_box.deepfool import deepfool
from qrobust.attacks.white_box.projected_gradient import projected_gradient

#: White-box attacks that look for the smallest L2 perturbation, whatever the budget.
SMALLEST_L2 = ("CW-L2", "DeepFool")


def white_box(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    leave_out: Collection[str] = (),
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield FGSM, BIM, MI-FGSM, PGD, SPSA, CW-L2 and DeepFool as they finish.

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball; the last two look for the smallest L2 perturbation instead.
        full: the long suite; see `SuiteSettings`.
        leave_out: names of attacks that are not run, `SMALLEST_L2` for one.
        seed: of what is random.

    Raises:
        ValueError: a name that is none of these.
    """
    s = suite_settings(full)
    step = None if s.step_share is None else budget.epsilon * s.step_share
    walk: dict[str, Any] = {"steps": s.steps, "step": step}
    attacks: dict[str, Callable[[], Attacked]] = {
        "FGSM": lambda: fast_gradient(target, x, y, budget),
        "BIM": lambda: basic_iterative(target, x, y, budget, **walk),
        "MI-FGSM": lambda: momentum_iterative(target, x, y, budget, **walk),
        "PGD": lambda: projected_gradient(
            target, x, y, budget, steps=s.pgd_steps, restarts=s.pgd_restarts, seed=seed
        ),
        "SPSA": lambda: _spsa(target, x, y, budget, s, seed),
        "CW-L2": lambda: carlini_wagner(target, x, y, searches=s.cw_searches, steps=s.cw_steps),
        "DeepFool": lambda: deepfool(target, x, y),
    }
    return _run(attacks, leave_out)


def black_box(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    leave_out: Collection[str] = (),
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield random, Square, SPSA and HopSkipJump as they finish.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        full: the long suite, `suite_settings.FULL`.
        leave_out: names of attacks that are not run.
        seed: of what is random.

    Raises:
        ValueError: a name that is none of these.
    """
    s = suite_settings(full)
    attacks: dict[str, Callable[[], Attacked]] = {
        "random": lambda: random_search(target, x, y, budget, queries=s.random_queries, seed=seed),
        "Square": lambda: square(target, x, y, budget, queries=s.square_queries, seed=seed),
        "SPSA": lambda: _spsa(target, x, y, budget, s, seed),
        "HopSkipJump": lambda: hop_skip_jump(
            target,
            x,
            y,
            budget,
            iterations=s.hop_iterations,
            samples=s.hop_samples,
            seed=seed,
        ),
    }
    return _run(attacks, leave_out)


def _spsa(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    s: SuiteSettings,
    seed: int,
) -> Attacked:
    return spsa(target, x, y, budget, steps=s.spsa_steps, samples=s.spsa_samples, seed=seed)


def _run(
    attacks: dict[str, Callable[[], Attacked]], leave_out: Collection[str]
) -> Iterator[Attacked]:
    unknown = sorted(set(leave_out) - set(attacks))
    if unknown or isinstance(leave_out, str):
        raise ValueError(
            f"leave_out is a collection of names among {', '.join(attacks)}. "
            f"Received: {leave_out!r}"
        )
    return (attack() for name, attack in attacks.items() if name not in leave_out)


def transferred(
    target: Target,
    surrogate: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> Iterator[Attacked]:
    """Yield the strongest points of PGD and MI-FGSM on a surrogate, shown to the target.

    Both take all their steps with all images, whether or not the surrogate errs already. Arguments
    as for `black_box`; ``surrogate`` shows gradients.
    """
    s = suite_settings(full)
    step = None if s.step_share is None else budget.epsilon * s.step_share
    pgd = projected_gradient(
        surrogate,
        x,
        y,
        budget,
        steps=s.pgd_steps,
        restarts=s.pgd_restarts,
        stop=False,
        seed=seed,
    )
    yield show(pgd, target, y, name=f"{pgd.name} on {surrogate.name}")
    momentum = momentum_iterative(surrogate, x, y, budget, steps=s.steps, step=step, stop=False)
    yield show(momentum, target, y, name=f"{momentum.name} on {surrogate.name}")


def masking_suite(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> Masking:
    """The masking checks with the steps and queries of a suite; arguments as for `white_box`."""
    s = suite_settings(full)
    return masking_checks(
        target, x, y, budget, steps=s.masking_steps, queries=s.masking_queries, seed=seed
    )


def worst_case(attacks: Sequence[Attacked], budget: Budget) -> float:
    """Accuracy when the best of all attacks inside a ball is taken for each image.

    Raises:
        ValueError: no attacks.
    """
    return float(1 - _fallen(attacks, budget).mean())


def _fallen(attacks: Sequence[Attacked], budget: Budget) -> NDArray[np.bool_]:
    if not attacks:
        raise ValueError("the worst case of no attacks is unknown. Received: attacks=[]")
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

    Raises:
        ValueError: no attacks.
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
