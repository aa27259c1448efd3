"""A bundle whose weights, order and thresholds are learned on noisy training images."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import ROUNDED_GAUSSIAN, noise_table
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, Bundle
from qrobust.certify.file.bundle_file import BundleFile, open_model
from qrobust.certify.file.runner import Runners
from qrobust.ensembles.integer_weights import check_weights
from qrobust.ensembles.learn_weights import LearnedWeights, weigh

Integers = npt.NDArray[np.int64]
_BATCH = 64
#: What a bundle may say differently from all of its members, as a share of noisy copies.
DISAGREEMENT = 0.01


@dataclass(frozen=True)
class LearnedBundle:
    """A bundle, and what it did on the images that it was learned from.

    Attributes:
        bundle: members ordered by weight, those of weight 0 left out.
        order: where each of its members stood in the list that was given.
        learned: the weights, in the order that was given.
        evaluations: members that ran for a noisy copy, on average.
        disagreement: share of the copies that all members together classify otherwise.
    """

    bundle: Bundle
    order: tuple[int, ...]
    learned: LearnedWeights
    evaluations: float
    disagreement: float


def learn_bundle(
    files: Sequence[bytes],
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    sigma: str,
    *,
    rule: str = ADAPTIVE,
    first: int = 2,
    disagreement: float = DISAGREEMENT,
    copies: int = 4,
    seed: int = 0,
    weights: Sequence[int] | None = None,
) -> LearnedBundle:
    r"""Learn a bundle of integer files from training images that no member was trained on.

    Weights are those of ``learn_weights``, of the files' own integers; the heaviest member comes
    first. Of the adaptive rule, threshold ``i`` is then the least margin for which, of all noisy
    copies, no more than ``disagreement / (M - 1)`` stop there with another class than that of all
    members together, so that all stops together stay below ``disagreement``.

    Args:
        files: ``.tflite`` files of one input and one set of classes.
        x: images, on the files' grid or real.
        y: their classes, int (images,).
        sigma: of the noise in LSB, decimal text; "0" for clean images.
        rule: "adaptive" or "consensus".
        first: of consensus: how many members are asked first.
        disagreement: see above, in [0, 1).
        copies: noisy copies of each image.
        seed: of the noise; its keys are ``(seed, image)``.
        weights: whole numbers that count instead of the learned ones, one a file: for members that
            have seen the images, which weights would favour. Thresholds are still learned.

    Raises:
        ValueError: files that do not go together, weights that are none, images, classes or
            numbers that fit none.

    References:
        Liu et al., 2020 (SWEEN, adaptive prediction); Horváth et al., ICLR 2022 (K-consensus).
    """
    if rule not in (ADAPTIVE, CONSENSUS) or not 0 <= disagreement < 1:
        raise ValueError(
            f"rule is {ADAPTIVE} or {CONSENSUS}, disagreement in [0, 1). Received: rule={rule!r}, "
            f"disagreement={disagreement}"
        )
    file = open_model(Bundle(CONSENSUS, tuple(files), (1,) * len(files), first=1).to_bytes())
    if not isinstance(file, BundleFile):
        raise ValueError(f"{len(files)} files make no bundle")
    labels = np.asarray(y)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu" or not len(x) or copies < 1:
        raise ValueError(
            f"x and y hold as many images as classes, copies is at least 1. Received: {len(x)} "
            f"images, y {labels.dtype}{labels.shape}, copies={copies}"
        )
    if labels.min() < 0 or labels.max() >= file.classes:
        raise ValueError(
            f"Classes go from 0 to {file.classes - 1}. Received: {labels.min()} to {labels.max()}"
        )
    if rule == CONSENSUS and not 1 <= first <= len(files):
        raise ValueError(f"first is 1 to {len(files)}, the number of files. Received: {first}")
    z = _logits(file, x, sigma, copies, seed)
    wanted = np.repeat(labels.astype(np.int64), copies)
    learned = weigh(z.astype(np.float64), wanted)
    given = learned.weights if weights is None else check_weights(weights, len(files))
    order = [i for i in np.argsort(-np.array(given), kind="stable") if given[i]]
    kept = tuple(given[i] for i in order)
    sums = np.cumsum([w * z[i] for w, i in zip(kept, order, strict=True)], axis=0)
    thresholds = adaptive_thresholds(sums, disagreement) if rule == ADAPTIVE else ()
    bundle = Bundle(
        rule,
        tuple(files[i] for i in order),
        kept,
        thresholds,
        min(first, len(order)) if rule == CONSENSUS else 0,
    )
    said, asked = _answers(bundle, z[order], sums)
    return LearnedBundle(
        bundle,
        tuple(int(i) for i in order),
        learned,
        float(asked.mean()),
        float((said != sums[-1].argmax(1)).mean()),
    )


def adaptive_thresholds(sums: Integers, disagreement: float) -> tuple[int, ...]:
    """The least margins at which stopping says what all members say, up to a share of the copies.

    Args:
        sums: int64[members, copies, classes]: weighted logits, cumulated over the members.
        disagreement: share of the copies that may be decided otherwise, all stops together.

    Returns:
        One threshold a member but the last, in steps of the sums.
    """
    whole = sums[-1].argmax(1)
    allowed = int(disagreement * len(whole) / max(1, len(sums) - 1))
    going_on, thresholds = np.ones(len(whole), bool), []
    for total in sums[:-1]:
        margin = _margins(total)
        wrong = np.sort(margin[going_on & (total.argmax(1) != whole)])[::-1]
        # Those with the largest margins may be wrong; the next one must go on.
        least = int(wrong[allowed]) + 1 if len(wrong) > allowed else 0
        thresholds.append(least)
        going_on &= margin < least
    return tuple(thresholds)


def _answers(bundle: Bundle, z: Integers, sums: Integers) -> tuple[Any, Any]:
    """Class of every copy, and how many members it took."""
    said, asked = sums[-1].argmax(1), np.full(sums.shape[1], len(sums))
    if bundle.rule == CONSENSUS:
        labels = z[: bundle.first].argmax(2)
        agreed = (labels == labels[0]).all(0)
        return np.where(agreed, labels[0], said), np.where(agreed, bundle.first, asked)
    going_on = np.ones(len(said), bool)
    for number, (total, least) in enumerate(zip(sums[:-1], bundle.thresholds, strict=True), 1):
        stops = going_on & (_margins(total) >= least)
        said, asked = np.where(stops, total.argmax(1), said), np.where(stops, number, asked)
        going_on &= ~stops
    return said, asked


def _margins(total: Integers) -> Integers:
    best = np.partition(total, -2, axis=1)[:, -2:]
    margins: Integers = best[:, 1] - best[:, 0]
    return margins


def _logits(
    file: BundleFile, x: npt.NDArray[Any], sigma: str, copies: int, seed: int
) -> npt.NDArray[np.int64]:
    """Logits of all members in steps of their grids, int64[members, images * copies, classes]."""
    scale = rational(sigma, "sigma")
    noisy = np.empty((len(x), copies, file.coordinates), file.grid.dtype)
    for i, image in enumerate(x):
        tensor = file.grid.to_tensor(np.asarray(image), file.shape, where=f"image {i}")
        if scale:
            table = noise_table(ROUNDED_GAUSSIAN, scale, file.grid.span)
            low, high = file.grid.tensor_low, file.grid.tensor_high
            sampler = NoiseSampler(table, file.coordinates, low=low, high=high)
            sampler.fill(tensor, noisy[i], key=(seed, i), purpose=0, start=0)
        else:
            noisy[i] = tensor
    rows = noisy.reshape(-1, *file.shape)
    found = []
    for member in file.members:
        batch = 1 if member.one_row else _BATCH
        padded = np.concatenate([rows, np.zeros((-len(rows) % batch, *file.shape), rows.dtype)])
        with closing(Runners(member, count=1, batch=batch)) as runners:
            (run,) = runners.runs
            outputs = np.concatenate(
                [run(padded[i : i + batch]) for i in range(0, len(padded), batch)]
            )
        found.append(outputs[: len(rows)].astype(np.int64) - member.output_zero_point)
    return np.stack(found)
