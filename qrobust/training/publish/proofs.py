"""What a published file's labels can be proven against: the rows of proofs on its card."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.datasets import Split
from qrobust.training.publish.summary import Table
from qrobust.training.recipe_evidence import Proof
from qrobust.verify import PROVEN, REFUTED, LinfBall, Problem, verify
from qrobust.verify.bounding import shown_by_intervals
from qrobust.verify.outcome import Outcome

_SEED = 0
_BATCH = 32
METHODS = ("intervals", "linear", "branching")


@dataclass(frozen=True, eq=False)
class Decided:
    """What methods, one after the other, said about images in L-inf balls.

    Attributes:
        right: bool[n], the file's own label is the true class.
        by: the method that proved the label, "refuted", or "" where nothing decided.
    """

    right: NDArray[np.bool_]
    by: tuple[str, ...]

    def count(self, *methods: str) -> int:
        """Right images that one of these proved (or refuted)."""
        return sum(bool(r) and by in methods for r, by in zip(self.right, self.by, strict=True))


def decide(
    problem: Problem, x: NDArray[Any], y: NDArray[Any], radius: int, *, boxes: int
) -> Decided:
    """Prove the file's labels in balls: intervals first, then lines, then branching.

    Args:
        problem: the file.
        x: [n, *shape], inputs.
        y: [n], true classes; of others than these nothing is asked.
        radius: whole LSB.
        boxes: budget of branching an image; 0 for none.
    """
    pictures = np.stack([problem.picture(image) for image in x])
    labels = problem.predictor.labels(pictures)
    right = labels == y
    by = np.full(len(x), "", object)
    region = LinfBall(radius)
    for label in np.unique(labels[right]).tolist():
        (own,) = np.nonzero(right & (labels == label))
        for start in range(0, len(own), _BATCH):
            part = own[start : start + _BATCH]
            stack = problem.interval([region.box(pictures[i], problem.domain) for i in part])
            by[part[shown_by_intervals(problem.graph, stack, int(label))]] = "intervals"
    for i in np.nonzero(right & (by == ""))[0].tolist():
        by[i] = _by(verify(problem, pictures[i], region, "linear"))
        if not by[i] and boxes:
            by[i] = _by(verify(problem, pictures[i], region, "branching", budget=boxes))
    return Decided(right, tuple(by.tolist()))


def _by(outcome: Outcome) -> str:
    if outcome.status == PROVEN:
        return outcome.method
    return REFUTED if outcome.status == REFUTED else ""


def proofs(model: Any, tflite: bytes, test: Split, settings: Proof) -> tuple[Table, ...]:
    """Return the card's table of proofs; nothing where none are asked for.

    Beside the verified share stands what PGD on the Keras model leaves (40 steps, 4 restarts): no
    certain figure can lie above it.

    Args:
        model: the Keras model.
        tflite: its exported file.
        test: examples; the first ``settings.images``.
        settings: how.

    Raises:
        ValueError: an attack succeeded inside a proven ball: a defect of this package.
    """
    if not settings.images:
        return ()
    from qrobust.attacks import LINF, Budget, KerasTarget, projected_gradient

    x, y = test.x[: settings.images], test.y[: settings.images]
    problem, target = Problem(tflite), KerasTarget(model)
    rows = []
    for radius in settings.radii:
        found = decide(problem, x, y, radius, boxes=settings.boxes)
        attacked = projected_gradient(target, x, y, Budget(radius, LINF), seed=_SEED)
        proven = np.isin(found.by, METHODS)
        if (proven & attacked.fallen).any():
            index = int(np.nonzero(proven & attacked.fallen)[0][0])
            raise ValueError(
                f"an attack of {radius} LSB succeeded on test image {index}, whose label was "
                "proven in that ball: a defect, please report it"
            )
        of = len(x)
        rows.append(
            (
                radius,
                {"count": found.count(*METHODS), "of": of},
                *(found.count(method) for method in METHODS),
                found.count(REFUTED),
                {"count": int((~attacked.fallen).sum()), "of": of},
            )
        )
    return (
        Table(
            name="proofs",
            title="Proofs",
            columns=(
                "L-inf radius (LSB)",
                "verified accuracy",
                *(f"by {method}" for method in METHODS),
                "refuted",
                "accuracy under PGD",
            ),
            rows=tuple(rows),
            note=(
                f"The first {len(x)} test examples. Verified: right, and certainly right for "
                "every integer input of the ball; no sampling, no error probability. "
                + (
                    f"Branching bounded at most {settings.boxes:,} boxes an image. "
                    if settings.boxes
                    else "No branching. "
                )
                + "PGD on the Keras model is an upper bound."
            ),
        ),
    )
