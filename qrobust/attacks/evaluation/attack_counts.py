"""Attacks on what was certified by counting, in each certificate's own threat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.sparse_search import sparse_search
from qrobust.attacks.ground.budget import PATCH, Budget
from qrobust.attacks.ground.pixel_grid import sizes
from qrobust.attacks.targets.counted_target import CountedTarget
from qrobust.certify import ABSTAIN, Certificate


@dataclass(frozen=True)
class Breach:
    """An input inside a certified radius that gets another label.

    Attributes:
        index: of the image.
        label: that was certified.
        found: label of the input.
        norm: ``"l1"``, ``"l0"`` or ``"patch"``.
        radius: certified, in LSB (L1) or pixels.
        distance: of the input, likewise; 0: the image itself has another label.
    """

    index: int
    label: int
    found: int
    norm: str
    radius: int
    distance: int

    def __str__(self) -> str:
        return (
            f"defect: image {self.index} is certified as {self.label} within {self.norm} "
            f"{self.radius}, but is {self.found} at {self.distance}"
        )


@dataclass(frozen=True)
class Counts:
    """What attacks on a journal of counted views found.

    Attributes:
        attacked: certificates.
        defects: successes inside their radii; each fails the command.
        control: certified images that were attacked far outside their radii.
        fooled: successes there: what the attack is worth.
        queries: inputs shown to the classifier; each is a run of every view.
    """

    attacked: int
    defects: tuple[Breach, ...]
    control: int
    fooled: int
    queries: int


def attack_counts(
    target: CountedTarget,
    x: NDArray[Any],
    certificates: Sequence[Certificate],
    *,
    queries: int = 60,
    control: int = 20,
    seed: int = 0,
) -> Counts:
    """Attack every certificate inside its radius, and some images far outside theirs.

    Args:
        target: the file that was certified.
        x: all the data, indexed by the certificates.
        certificates: those that abstain are skipped; of radius 0 the label is checked.
        queries: of each attack.
        control: most images that are attacked at eight times their radius and more.
        seed: of the attacks.

    Raises:
        ValueError: nothing to attack.
    """
    chosen = [c for c in certificates if c.label != ABSTAIN]
    if not chosen:
        raise ValueError(f"None of {len(certificates)} lines certifies a label.")
    defects, tried, fooled, before = [], 0, 0, target.queries
    for certificate in chosen:
        image = target.grid.integers(np.asarray(x)[certificate.index][None])
        label, norm = np.array([certificate.label]), certificate.norm
        radius = int(certificate.radius)
        budget = Budget(max(radius, 1), norm)
        # Of radius 0 nothing but the image itself is shown: two answers are the fewest.
        found = sparse_search(
            target, image, label, budget, queries=queries if radius else 2, seed=seed
        )
        distance = int(sizes(found.clean, found.adversarial, norm)[0])
        if found.fallen[0] and distance <= radius:
            other = int(target.logits(found.adversarial).argmax(axis=1)[0])
            defects.append(Breach(certificate.index, int(label[0]), other, norm, radius, distance))
            continue
        if tried < control:
            tried += 1
            wide = Budget(_beyond(radius, norm, target), norm)
            fooled += int(
                sparse_search(target, image, label, wide, queries=queries, seed=seed).fallen[0]
            )
    return Counts(len(chosen), tuple(defects), tried, fooled, target.queries - before)


def _beyond(radius: int, norm: str, target: CountedTarget) -> int:
    """Eight times a radius and more, as far as the picture goes."""
    numbers = int(np.prod(target.shape))
    if norm == PATCH:
        return min(8 * radius + 4, *target.shape[:2])
    if norm == "l0":
        return min(8 * radius + 4, numbers // (target.shape[-1] if len(target.shape) > 2 else 1))
    return min(8 * radius + target.grid.span, numbers * target.grid.span)
