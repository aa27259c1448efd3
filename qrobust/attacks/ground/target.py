"""What an attack may ask of a model."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import Integers, PixelGrid

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

#: Losses that gradients are taken of. The margins keep their gradient where softmax saturates;
#: "targeted" is the margin against one class that the attack names, "targeted_dlr" the same over a
#: spread of the logits, which makes it the same whatever the logits' scale.
CROSS_ENTROPY = "cross_entropy"
MARGIN = "margin"
TARGETED = "targeted"
TARGETED_DLR = "targeted_dlr"
LOSSES = (CROSS_ENTROPY, MARGIN, TARGETED, TARGETED_DLR)
#: Losses that go for one class.
AIMED = (TARGETED, TARGETED_DLR)
#: The spread of the logits needs the fourth largest; where all agree it is taken for this.
DLR_CLASSES = 4
DLR_LEAST = 1e-12


class Target(Protocol):
    """A classifier on an integer grid.

    A random one also has ``draws``, the noisy copies that it classifies for each input.

    Attributes:
        name: in reports.
        grid: of its inputs.
        shape: of one input.
        classes: how many.
        queries: inputs it has classified so far.
    """

    name: str
    grid: PixelGrid
    shape: tuple[int, ...]
    classes: int
    queries: int

    def logits(self, x: NDArray[Any]) -> Floats:
        """float32[n, classes] of ``x``, [n, *shape] in LSB."""
        ...


class GradientTarget(Target, Protocol):
    """A classifier that also shows its gradients."""

    def gradients(
        self, x: NDArray[Any], y: Labels, loss: str, other: Labels | None = None
    ) -> tuple[Floats, Floats]:
        """Logits, and the gradient by ``x`` (per LSB) of the loss that an attack increases.

        ``other`` are the classes that a loss of `AIMED` wants, int64[n].
        """
        ...


class TensorTarget(GradientTarget, Protocol):
    """A classifier that TensorFlow can differentiate.

    Attributes:
        batch: inputs at a time.
    """

    batch: int

    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB."""
        ...


def described(target: Target) -> str:
    """A target's ``repr``, in one line."""
    grid = target.grid
    shape = "x".join(map(str, target.shape))
    return (
        f"{type(target).__name__}({target.name}: {shape} in {grid.low}..{grid.high}, "
        f"{target.classes} classes)"
    )


def check_tensors(target: Target, attack: str) -> TensorTarget:
    """The target itself; `ValueError` where TensorFlow cannot differentiate it."""
    check_gradients(target)
    if not hasattr(target, "model_fn"):
        raise ValueError(
            f"{attack} needs TensorFlow's graph: a KerasTarget or a SmoothedTarget. "
            f"Received: {target.name}"
        )
    return target  # type: ignore[return-value]


def cost(target: Target) -> int:
    """Inputs that the model classifies for one answer: more than one where it is random."""
    return int(getattr(target, "draws", 1))


def check_gradients(target: Target) -> GradientTarget:
    """The target itself; `ValueError` where it shows no gradients."""
    if not hasattr(target, "gradients"):
        raise ValueError(
            f"{target.name} shows no gradients: a .tflite is attacked by square, spsa, "
            f"hop_skip_jump or random_search, or through its Keras model as a surrogate."
        )
    return target  # type: ignore[return-value]


def check_images(target: Target, x: NDArray[Any], y: NDArray[Any]) -> tuple[Integers, Labels]:
    """Inputs as grid integers, labels as int64.

    Raises:
        ValueError: no images, another shape, values off the grid, labels out of range.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.shape[1:] != target.shape or not len(x):
        raise ValueError(
            f"x has shape {x.shape}; {target.name} takes (images, "
            f"{', '.join(map(str, target.shape))}) with at least one image."
        )
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(
            f"y must be {len(x)} integer labels. Received: {y.dtype} of shape {y.shape}"
        )
    bad = (y < 0) | (y >= target.classes)
    if bad.any():
        raise ValueError(
            f"image {int(np.argmax(bad))} has label {y[bad][0]}; {target.name} has classes 0 to "
            f"{target.classes - 1}."
        )
    return target.grid.integers(x), y.astype(np.int64)


def check_classes(name: str, classes: int) -> int:
    """The number itself; `ValueError` where there is nothing to confuse."""
    if classes < 2:
        raise ValueError(
            f"{name} has an output of {classes} value(s); an attack needs a classifier with one "
            f"logit for each of 2 classes or more."
        )
    return classes


def margins(logits: Floats, y: Labels) -> Floats:
    """``z_y - max_{j != y} z_j``, float32[n]: negative where the model errs."""
    rows = np.arange(len(y))
    others = logits.copy()
    others[rows, y] = -np.inf
    margin: Floats = logits[rows, y] - others.max(axis=1)
    return margin


def errs(logits: Floats, y: Labels, confidence: float = 0.0) -> NDArray[np.bool_]:
    """bool[n]: another class comes first, with a margin of at least ``confidence``."""
    wrong: NDArray[np.bool_] = logits.argmax(axis=1) != y
    # On a tie the first class wins; no margin of 0 is asked for where none is.
    return wrong & (margins(logits, y) <= -confidence) if confidence else wrong


def loss_values(
    logits: Floats, y: Labels, loss: str, other: Labels | None = None
) -> NDArray[np.float64]:
    """The losses of `LOSSES` in NumPy, float64[n]; cross entropy in nats, margins in logits.

    ``"targeted_dlr"``, of no unit, is ``(z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)`` with
    ``z_(k)`` the k-th largest logit.

    Source:
        Croce and Hein, ICML 2020, equation 9 (the targeted DLR loss).
    """
    wide = logits.astype(np.float64)
    rows = np.arange(len(y))
    if loss == MARGIN:
        return -margins(logits, y).astype(np.float64)
    if loss in AIMED:
        margin = np.asarray(wide[rows, other] - wide[rows, y])
        if loss == TARGETED:
            return margin
        largest = -np.sort(-wide, axis=1)
        spread = largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2
        return np.asarray(margin / np.maximum(spread, DLR_LEAST))
    return np.asarray(np.logaddexp.reduce(wide, axis=1) - wide[rows, y])


def check_losses(losses: Sequence[str]) -> None:
    """`ValueError` unless there are losses, all of them known."""
    unknown = [loss for loss in losses if loss not in LOSSES]
    if isinstance(losses, str) or not losses or unknown:
        raise ValueError(
            f"losses is a sequence of one or more of {', '.join(LOSSES)}. Received: {losses!r}"
        )


def runners_up(logits: Floats, y: Labels) -> NDArray[np.int64]:
    """The other classes, most likely first, int64[n, classes - 1]."""
    others = logits.astype(np.float64)
    others[np.arange(len(y)), y] = np.inf
    return np.argsort(-others, axis=1, kind="stable")[:, 1:].astype(np.int64)
