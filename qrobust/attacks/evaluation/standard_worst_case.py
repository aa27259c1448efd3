"""One fixed suite without parameters, for commands, cards and tables alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.square import square
from qrobust.attacks.evaluation.transfer import show
from qrobust.attacks.ground.budget import Budget
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import (
    CROSS_ENTROPY,
    DLR_CLASSES,
    TARGETED,
    TARGETED_DLR,
    GradientTarget,
    Target,
)
from qrobust.attacks.white_box.auto_projected_gradient import auto_projected_gradient

#: What the suite is called where its result stands.
STANDARD = "standard worst case"
#: Of every APGD.
STEPS = 100
#: Other classes that the aimed APGD goes for, the most likely first.
AIMS = 9
#: Of Square, the clean image's among them.
QUERIES = 5000


@dataclass(frozen=True, eq=False, repr=False)
class WorstCase:
    """What the standard suite leaves.

    Attributes:
        judge: name of the model that decides.
        budget: the ball.
        attacks: each on all images, judged by the model that decides.
        right: bool[n], classified right without an attack.
        left: bool[n], still right after all of them.
        gradients: whether gradients were followed; without them Square stands alone, and the
            result says less.
        seed: of everything random.
    """

    judge: str
    budget: Budget
    attacks: tuple[Attacked, ...]
    right: NDArray[np.bool_]
    left: NDArray[np.bool_]
    gradients: bool
    seed: int

    def __repr__(self) -> str:
        return (
            f"WorstCase({self.judge}, {self.budget}: {int(self.left.sum())} of {len(self.left)} "
            f"left, by {self.by})"
        )

    @property
    def fallen(self) -> NDArray[np.bool_]:
        """Which images are wrong, without an attack or after one."""
        return ~self.left

    @property
    def accuracy(self) -> float:
        """Share of *all* images that are right and stay right, in [0, 1]."""
        return float(self.left.mean())

    @property
    def by(self) -> str:
        """The attacks' names."""
        return ", ".join(attack.name for attack in self.attacks)

    def to_json(self) -> dict[str, Any]:
        """Counts, all out of the same images."""
        return {
            "judge": self.judge,
            "by": self.by,
            "gradients": self.gradients,
            "images": len(self.left),
            "right": int(self.right.sum()),
            "left": int(self.left.sum()),
            "epsilon": self.budget.epsilon,
            "norm": self.budget.norm,
            "seed": self.seed,
        }


def standard_worst_case(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    surrogate: GradientTarget | None = None,
    seed: int = 0,
) -> WorstCase:
    """Attack with APGD on the cross entropy, aimed APGD, and Square; the target alone decides.

    1. ``APGD-CE``: 100 steps from one random start.
    2. ``APGD-T``: the same on the targeted DLR loss, once for each of the 9 most likely other
       classes (on the targeted margin where there are fewer than four classes).
    3. ``Square-5000``: so many queries to the target itself.

    Of a random model (``draws``) nothing is said: its own suite is that of EOT, see `white_box`.
    Nothing can be chosen but the ball and the seed. Each attack tries every image, so that each has
    a number of its own and what befalls an image does not depend on the others. An integer file is
    attacked through its own Keras model, and what that found is shown to the file: an image is lost
    where the file errs, and nowhere else.

    Args:
        target: that decides: the file, or a Keras model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball, L-inf or L2.
        surrogate: whose gradients are followed; the target's own where it has them. Without any,
            Square is all there is, and the result says so.
        seed: of starts and squares.

    Raises:
        ValueError: bad images or labels, a random model, or a surrogate of another shape or other
            classes.

    Source:
        Croce and Hein, ICML 2020 (AutoAttack, without its FAB, which finds nothing that the others
        miss in their tables 1 and 2); Andriushchenko et al., ECCV 2020.
    """
    if hasattr(target, "draws"):
        raise ValueError(
            f"{target.name} is random; the standard worst case is of models that give one answer. "
            f"Attack it through its noise: white_box, or qrobust attack --smooth."
        )
    source: Any = surrogate
    if source is None and hasattr(target, "gradients"):
        source = target
    if source is not None and (source.shape, source.classes) != (target.shape, target.classes):
        raise ValueError(
            f"{source.name} takes {source.shape} and knows {source.classes} classes, {target.name} "
            f"{target.shape} and {target.classes}: no surrogate for it."
        )
    clean = Search(target, x, y, None)
    attacks = tuple(_attacks(target, source, clean, budget, seed))
    return WorstCase(
        judge=target.name,
        budget=budget,
        attacks=attacks,
        right=~clean.fallen,
        left=~np.any([attack.fallen for attack in attacks], axis=0),
        gradients=source is not None,
        seed=seed,
    )


def _attacks(
    target: Target, source: Any, clean: Search, budget: Budget, seed: int
) -> Iterator[Attacked]:
    aimed = TARGETED_DLR if target.classes >= DLR_CLASSES else TARGETED
    followed = {
        "APGD-CE": (CROSS_ENTROPY, 1),
        "APGD-T": (aimed, min(AIMS, target.classes - 1)),
    }
    for name, (loss, restarts) in followed.items() if source is not None else ():
        found = auto_projected_gradient(
            source,
            clean.x,
            clean.y,
            budget,
            steps=STEPS,
            losses=(loss,),
            restarts=restarts,
            seed=seed,
            name=name,
        )
        yield found if source is target else _judged(found, target, clean.y)
    yield square(
        target, clean.x, clean.y, budget, queries=QUERIES, seed=seed, name=f"Square-{QUERIES}"
    )


def _judged(found: Attacked, target: Target, y: NDArray[Any]) -> Attacked:
    """What the judge says of what was found elsewhere; the work is that of both."""
    shown = show(found, target, y)
    return replace(
        shown,
        queries=found.queries + shown.queries,
        seconds=round(found.seconds + shown.seconds, 3),
    )
