"""Does the model only look robust because gradients mislead the attacker?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.random_search import random_search
from qrobust.attacks.black_box.square import square
from qrobust.attacks.ground.budget import L2, Budget
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import CROSS_ENTROPY, Target, check_gradients
from qrobust.attacks.white_box.cleverhans_attacks import basic_iterative, fast_gradient
from qrobust.attacks.white_box.projected_gradient import projected_gradient

Fallen = NDArray[np.bool_]

#: Up to this share of the images (one image where there are few) proves nothing.
TOLERANCE = 0.02
#: Share of images without a usable gradient above which gradients are called missing.
MISSING = 0.05


@dataclass(frozen=True)
class Check:
    """One sign of masked gradients.

    Attributes:
        name: the question.
        masked: whether the answer is the one of a masked model.
        numbers: behind the verdict: accuracies and shares in [0, 1].
        meaning: of a masked answer.
    """

    name: str
    masked: bool
    numbers: dict[str, float]
    meaning: str


@dataclass(frozen=True, eq=False, repr=False)
class Masking:
    """The checks of one model, and what their attacks found.

    Attributes:
        checks: six of them.
        attacks: those inside the budget that no white-box suite runs: random search, Square, and
            PGD on the cross entropy with few and with many steps. They count for the worst case.
    """

    checks: tuple[Check, ...]
    attacks: tuple[Attacked, ...]

    def __repr__(self) -> str:
        fired = ", ".join(check.name for check in self.masked) or "none"
        return f"Masking({len(self.checks)} checks, fired: {fired})"

    @property
    def masked(self) -> tuple[Check, ...]:
        """The checks that fired."""
        return tuple(check for check in self.checks if check.masked)


def masking_checks(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    queries: int = 200,
    seed: int = 0,
) -> Masking:
    """The checks of a masked model, each with its verdict and numbers.

    All gradient attacks here ascend the cross entropy, as attackers do by default; the margin
    loss of `projected_gradient` may still get through a mask that these checks report. Attacks are
    compared image by image: what counts are the images that one of them got and the other did not.

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: of the iterated attacks; the longer one takes five times as many.
        queries: for each image, of Square and of the random search.
        seed: of the attacks.

    Source:
        Athalye et al., Obfuscated Gradients Give a False Sense of Security, ICML 2018, section 3;
        Carlini et al., On Evaluating Adversarial Robustness, 2019.
    """
    check_gradients(target)

    def ascend(ball: Budget, count: int) -> Attacked:
        return projected_gradient(
            target,
            x,
            y,
            ball,
            steps=count,
            restarts=1,
            losses=(CROSS_ENTROPY,),
            seed=seed,
            name=f"PGD, cross entropy, {count} steps",
        )

    single = fast_gradient(target, x, y, budget)
    iterated = basic_iterative(target, x, y, budget, steps=steps)
    few, many = ascend(budget, max(1, steps // 4)), ascend(budget, 5 * steps)
    black = square(target, x, y, budget, queries=queries, seed=seed)
    blind = random_search(target, x, y, budget, queries=queries, seed=seed)
    everything = ascend(_everything(target, budget), 5 * steps)
    checks = _verdicts(
        clean=Search(target, x, y, None).fallen,
        black=black.fallen,
        blind=blind.fallen,
        single=single.fallen,
        iterated=iterated.fallen,
        few=few.fallen,
        many=many.fallen,
        everything=everything.fallen,
        shares=_gradient_shares(target, x, y),
    )
    return Masking(tuple(checks), (blind, black, few, many))


def _verdicts(
    *,
    clean: Fallen,
    black: Fallen,
    blind: Fallen,
    single: Fallen,
    iterated: Fallen,
    few: Fallen,
    many: Fallen,
    everything: Fallen,
    shares: dict[str, float],
) -> Iterator[Check]:
    """Verdicts from what fell to each attack, bool[n]; ``clean`` fell without one."""
    slack = max(TOLERANCE, 1 / len(clean)) + 1e-9
    white = single | iterated | few | many
    yield Check(
        "black box beats white box",
        _only(black, white) > slack,
        {"white_box": _left(white), "square": _left(black), "square_only": _only(black, white)},
        "queries find adversarial inputs that gradients miss",
    )
    yield Check(
        "unbounded attack leaves accuracy",
        _left(everything) > slack,
        {"accuracy": _left(everything)},
        "with every input allowed an attack that follows useful gradients reaches 0 %",
    )
    # An attack may be done after few steps. It is not where others get what many steps miss, or
    # where not even the widest ball, which holds inputs of other classes, lets steps gain.
    gained, missed = _only(many, few), _only(black | blind, many)
    standstill = _only(many | everything, clean) == 0 and _left(everything) > slack
    yield Check(
        "more steps do not help",
        _only(few, many) > slack or (gained == 0 and (missed > slack or standstill)),
        {"few_steps": _left(few), "many_steps": _left(many), "found_by_others": missed},
        "longer searches ought to find more while there is more to find",
    )
    yield Check(
        "random search beats gradients",
        _only(blind, white) > slack,
        {"white_box": _left(white), "random": _left(blind), "random_only": _only(blind, white)},
        "drawing points at random finds what following gradients does not",
    )
    yield Check(
        "single step beats iterated",
        _only(single, iterated) > slack,
        {"fgsm": _left(single), "bim": _left(iterated), "fgsm_only": _only(single, iterated)},
        "the gradient is not that of the function's neighbourhood",
    )
    yield Check(
        "gradients zero or not finite",
        sum(shares.values()) > MISSING,
        shares,
        "the gradient of the cross entropy says nothing there",
    )


def _left(fallen: Fallen) -> float:
    """Accuracy, in [0, 1]."""
    return float(1 - fallen.mean())


def _only(one: Fallen, other: Fallen) -> float:
    """Share of images that one attack got and the other did not, in [0, 1]."""
    return float((one & ~other).mean())


def _everything(target: Target, budget: Budget) -> Budget:
    """A ball that holds every input of the grid."""
    root = np.sqrt(np.prod(target.shape)) if budget.norm == L2 else 1.0
    return Budget(float(np.ceil(target.grid.span * root)), budget.norm)


def _gradient_shares(target: Target, x: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    search = Search(target, x, y, None)
    _, gradients = check_gradients(target).gradients(search.x, search.y, CROSS_ENTROPY)
    flat = gradients.reshape(len(gradients), -1)
    finite = np.isfinite(flat).all(axis=1)
    zero = finite & (flat == 0).all(axis=1)
    return {"zero": float(zero.mean()), "not_finite": float(1 - finite.mean())}
