"""Weights of an ensemble from noisy training images that its members have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

from qrobust.ensembles.integer_weights import TOTAL, integer_weights
from qrobust.ensembles.members import Member, members_of
from qrobust.layers import GridNoise
from tflite_export.grid import FloatArray, Grid
from tflite_export.input_grids import check_inputs


@dataclass(frozen=True)
class LearnedWeights:
    """Weights and what they bought on the images that they were learned from.

    Attributes:
        weights: integers, one a member; 0 for members that do not help.
        factors: what was fitted, for one step of a member's logits, before it became integers.
        losses: mean negative log likelihood, in nats, each at its own best temperature: of the
            integers ("learned"), of equal weights ("equal"), of the best member ("best member").
        accuracies: on the same noisy copies, likewise.
        copies: noisy copies that were looked at.
    """

    weights: tuple[int, ...]
    factors: tuple[float, ...]
    losses: dict[str, float]
    accuracies: dict[str, float]
    copies: int


def learn_weights(
    models: Sequence[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sigma: float,
    *,
    copies: int = 4,
    seed: int = 0,
    total: int = TOTAL,
) -> LearnedWeights:
    r"""Find the weights of a mean of logits that suit noisy inputs best.

    .. math:: \min_{b \ge 0} \; \mathbb{E} \left[ -\log \mathrm{softmax}
              \left( \textstyle\sum_i b_i q_i(x + \text{noise}) \right)_y \right]

    which is convex in b, one number a member, with logits q in steps of each member's own grid, as
    ``combine`` weighs them; then integers in proportion. Noise is ``GridNoise``,
    rounded and saturated as on the device. Give training images that no member was trained on and
    that nothing is reported on.

    Args:
        models: as ``combine`` takes them.
        x: images, in the units of ``model.predict``.
        y: their classes, int (images,).
        sigma: of the noise, in LSB of the input's grid; 0 for clean images.
        copies: noisy copies of each image.
        seed: of the noise.
        total: what the integers add up to, 1 to 32.

    Raises:
        ValueError: models that do not go together, or images, classes or numbers that fit no model.

    References:
        Liu et al., Enhancing Certified Robustness via Smoothed Weighted Ensembling, 2020, section
        on learning the weights (of probabilities, by gradient descent, there).
    """
    members = members_of(models)
    images, labels = _checked(members, x, y)
    if copies < 1:
        raise ValueError(f"copies is at least 1. Received: {copies}")
    noisy = _noisy(images, members[0].input_grid, sigma, copies, seed)
    z = np.stack([_logits(member, noisy) for member in members])
    return weigh(z, np.tile(labels, copies), total)


def weigh(z: FloatArray, wanted: npt.NDArray[np.int64], total: int = TOTAL) -> LearnedWeights:
    """Weights of members from their logits; see ``learn_weights``.

    Args:
        z: logits in steps of each member's grid, float64[members, copies, classes].
        wanted: classes, int64[copies].
        total: what the integers add up to.

    Raises:
        ValueError: logits that say nothing of the classes.
    """
    factors = _fit(z, wanted)
    if not factors.sum() > 0:
        raise ValueError(
            "No weights are better than none: on these images the members' logits say nothing of "
            "y. Are x and y of the members' task, and sigma in LSB?"
        )
    weights = integer_weights(factors.tolist(), total)
    alone = [_judged(z[i : i + 1], [1.0], wanted) for i in range(len(z))]
    found = {
        "learned": _judged(z, weights, wanted),
        "equal": _judged(z, [1.0] * len(z), wanted),
        "best member": min(alone),
    }
    return LearnedWeights(
        weights,
        tuple(float(factor) for factor in factors),
        {name: loss for name, (loss, _) in found.items()},
        {name: 1 - wrong for name, (_, wrong) in found.items()},
        len(wanted),
    )


def _checked(members: Sequence[Member], x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Any, Any]:
    images, labels = np.asarray(x), np.asarray(y)
    model = members[0].model
    shape, classes = tuple(model.inputs[0].shape[1:]), int(model.outputs[0].shape[-1])
    if images.shape[1:] != shape or not len(images):
        raise ValueError(f"x holds images of shape {shape}. Received: {images.shape}")
    check_inputs([images], [members[0].input_grid], ["x"])
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"y holds one class an image, as integers. Received: {labels.dtype}{labels.shape} for "
            f"{len(images)} images"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"Classes go from 0 to {classes - 1}. Received: {labels.min()} to {labels.max()}"
        )
    return images.astype(np.float32), labels.astype(np.int64)


def _noisy(images: Any, grid: Grid, sigma: float, copies: int, seed: int) -> Any:
    noise = GridNoise(
        sigma,
        exponent=grid.exponent,
        minimum=grid.minimum - grid.zero_point,
        maximum=grid.maximum - grid.zero_point,
        seed=seed,
    )
    return np.concatenate([np.asarray(noise(images, training=True)) for _ in range(copies)])


def _logits(member: Member, images: Any) -> FloatArray:
    real = member.model.predict(images, batch_size=256, verbose=0)
    return np.asarray(real, np.float64) * 2.0**-member.logit_grid.exponent


def _fit(z: FloatArray, y: npt.NDArray[np.int64]) -> FloatArray:
    """The best factors, none negative; logits (members, images, classes)."""

    def loss(b: FloatArray) -> tuple[float, FloatArray]:
        scores = np.tensordot(b, z, 1)
        norm = logsumexp(scores, axis=1)
        rows = np.arange(len(y))
        wrong = np.exp(scores - norm[:, None])
        wrong[rows, y] -= 1
        return float((norm - scores[rows, y]).mean()), np.einsum("mnc,nc->m", z, wrong) / len(y)

    # Steps are small beside a nat.
    start = np.full(len(z), 2.0**-5 / len(z))
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(z))
    return np.asarray(fitted.x, np.float64)


def _judged(z: FloatArray, weights: Sequence[float], y: Any) -> tuple[float, float]:
    """Loss at the best temperature, and the share that is wrong, of one weighted sum."""
    total = np.tensordot(np.asarray(weights, np.float64), z, 1)
    factor = _fit(total[None], y)
    scores = factor[0] * total
    loss = (logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]).mean()
    return float(loss), float((total.argmax(axis=1) != y).mean())
