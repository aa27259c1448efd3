"""What an attack may ask of a model."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.grid import Integers, PixelGrid

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

#: Losses that gradients are taken of. The margin keeps its gradient where softmax saturates.
CROSS_ENTROPY = "cross_entropy"
MARGIN = "margin"
LOSSES = (CROSS_ENTROPY, MARGIN)


class Target(Protocol):
    """A classifier on an integer grid.

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

    def gradients(self, x: NDArray[Any], y: Labels, loss: str) -> tuple[Floats, Floats]:
        """Logits, and the gradient by ``x`` (per LSB) of the loss that an attack increases."""
        ...


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
