"""Does the model only look robust because gradients mislead the attacker?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import L2, Budget
from qrobust.attacks.cleverhans_attacks import basic_iterative, fast_gradient
from qrobust.attacks.projected_gradient import projected_gradient
from qrobust.attacks.random_search import random_search
from qrobust.attacks.search import Attacked, Search
from qrobust.attacks.square import square
from qrobust.attacks.target import CROSS_ENTROPY, Target, check_gradients

#: Accuracies this close are called equal (share of images; one image where there are few).
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


def masking_checks(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    queries: int = 200,
    seed: int = 0,
) -> list[Check]:
    """The checks of a masked model, each with its verdict and numbers.

    All gradient attacks here ascend the cross entropy, as attackers do by default; the margin
    loss of `projected_gradient` may still get through a mask that these checks report.

    Args:
        target: shows gradients.
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
            target, x, y, ball, steps=count, restarts=1, losses=(CROSS_ENTROPY,), seed=seed
        )

    single = fast_gradient(target, x, y, budget)
    iterated = basic_iterative(target, x, y, budget, steps=steps)
    few, many = ascend(budget, max(1, steps // 4)), ascend(budget, 5 * steps)
    black = square(target, x, y, budget, queries=queries, seed=seed)
    blind = random_search(target, x, y, budget, queries=queries, seed=seed)
    white = float(1 - (single.fallen | iterated.fallen | few.fallen | many.fallen).mean())
    everything = ascend(_everything(target, budget), 5 * steps)
    return list(
        _verdicts(
            len(x),
            white=white,
            black=black.accuracy,
            blind=blind.accuracy,
            single=single.accuracy,
            iterated=iterated.accuracy,
            few=few.accuracy,
            many=many.accuracy,
            everything=everything.accuracy,
            shares=_gradient_shares(target, x, y),
        )
    )


def _verdicts(
    images: int,
    *,
    white: float,
    black: float,
    blind: float,
    single: float,
    iterated: float,
    few: float,
    many: float,
    everything: float,
    shares: dict[str, float],
) -> Iterator[Check]:
    slack = max(TOLERANCE, 1 / images) + 1e-9
    yield Check(
        "black box beats white box",
        black < white - slack,
        {"white_box": white, "square": black},
        "queries find adversarial inputs that gradients miss",
    )
    yield Check(
        "unbounded attack leaves accuracy",
        everything > slack,
        {"accuracy": everything},
        "with every input allowed an attack that follows useful gradients reaches 0 %",
    )
    yield Check(
        "more steps do not help",
        many > few + slack,
        {"few_steps": few, "many_steps": many},
        "longer searches ought to find more, not less",
    )
    yield Check(
        "random search beats gradients",
        blind < white - slack,
        {"white_box": white, "random": blind},
        "drawing points at random finds more than following gradients",
    )
    yield Check(
        "single step beats iterated",
        single < iterated - slack,
        {"fgsm": single, "bim": iterated},
        "the gradient is not that of the function's neighbourhood",
    )
    yield Check(
        "gradients zero or not finite",
        sum(shares.values()) > MISSING,
        shares,
        "the gradient of the cross entropy says nothing there",
    )


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
