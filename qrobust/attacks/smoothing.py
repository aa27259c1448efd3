"""Attacks inside certified radii: none may succeed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import L2, Budget
from qrobust.attacks.grid import Integers, project, random_start, verify
from qrobust.attacks.keras_target import KerasTarget
from qrobust.attacks.projected_gradient import direction, into_ball
from qrobust.attacks.smoothed_target import SmoothedTarget
from qrobust.attacks.target import LOSSES, Labels, margins
from qrobust.certify import ABSTAIN, Certificate, Certifier

#: Error probability of one verdict: thousands of them are made.
_ALPHA = "0.000001"

#: Certificates hold for distances under the radius, not at it; radii are multiples of this.
_OPEN = 2**-16


@dataclass(frozen=True)
class Broken:
    """A certificate that an attack refuted.

    Attributes:
        index: of the image in the data.
        label: that the certificate promised.
        found: class that the smoothed classifier gives the adversarial input.
        radius: certified, L2 in LSB.
        distance: of the adversarial input, L2 in LSB, at most the radius.
    """

    index: int
    label: int
    found: int
    radius: float
    distance: float

    def __str__(self) -> str:
        return (
            f"broken certificate: image {self.index} is certified as {self.label} within "
            f"{self.radius:.3f} LSB, but is {self.found} at {self.distance:.3f} LSB"
        )


def attack_certificates(
    certifier: Certifier,
    surrogate: KerasTarget,
    x: NDArray[Any],
    certificates: Sequence[Certificate],
    *,
    steps: int = 20,
    restarts: int = 2,
    draws: int = 16,
    n: int = 10_000,
    seed: int = 0,
) -> tuple[int, list[Broken]]:
    """EOT-PGD on the smoothed classifier within each certified radius, judged by fresh votes.

    An attack succeeds where the certifier's own prediction (``n`` fresh samples, wrong with
    probability at most 1e-6) is another class than the certificate's. A certificate itself is
    wrong with probability up to its ``alpha``: of k certificates, about ``alpha * k`` may break
    at the most, and those are printed too.

    Args:
        certifier: of the file that was certified; give it another seed than the certificates'.
        surrogate: the Keras model of the file, for gradients.
        x: all the data, indexed by the certificates.
        certificates: those that abstain, or hold no integer input but their own, are skipped.
        steps: of PGD.
        restarts: of PGD; the noise of each is fresh.
        draws: noisy copies for one gradient.
        n: samples of one verdict.
        seed: of attack and noise.

    Returns:
        How many certificates were attacked, and the broken ones.

    Raises:
        ValueError: certificates that are not of Gaussian noise, or made with the same seed.
    """
    chosen = [
        c for c in certificates if c.label != ABSTAIN and c.norm == L2 and c.radius - _OPEN >= 1
    ]
    if not chosen:
        raise ValueError(
            f"None of {len(certificates)} certificates has an L2 radius of 1 LSB or more; "
            f"there is nothing to attack."
        )
    if any(c.seed == certifier.seed for c in chosen):
        raise ValueError(
            f"The verdicts need fresh samples: make the certifier with another seed than the "
            f"certificates', {certifier.seed}."
        )
    smoothed = SmoothedTarget(surrogate, sigma=float(certifier.noise.sigma), draws=draws, seed=seed)
    broken = []
    for certificate in chosen:
        image = surrogate.grid.integers(np.asarray(x)[certificate.index][None])
        label = np.array([certificate.label])
        budget = Budget(certificate.radius - _OPEN, L2)
        rng = np.random.default_rng((seed, certificate.index))
        candidate = _strongest(smoothed, image, label, budget, steps, restarts, rng)
        verify(image, candidate, budget, surrogate.grid)
        verdict = certifier.predict(
            candidate[0].astype(np.int64), n=n, alpha=_ALPHA, index=certificate.index
        )
        if verdict not in (ABSTAIN, certificate.label):
            distance = float(np.sqrt(((candidate - image).astype(np.int64) ** 2).sum()))
            broken.append(
                Broken(certificate.index, certificate.label, verdict, certificate.radius, distance)
            )
    return len(chosen), broken


def _strongest(
    smoothed: SmoothedTarget,
    image: Integers,
    label: Labels,
    budget: Budget,
    steps: int,
    restarts: int,
    rng: np.random.Generator,
) -> Integers:
    """The integer input of the ball with the least margin that PGD met, int16[1, ...].

    PGD for an answer would stop at the first draw of noise that errs, and return nothing where
    none does; here the certifier's votes decide, so the most promising input is what counts.
    """
    grid = smoothed.grid
    best, least = image, np.inf
    for restart in range(restarts):
        z = image.astype(np.float64) if restart == 0 else random_start(image, budget, grid, rng)
        loss = LOSSES[restart % len(LOSSES)]
        for _ in range(steps + 1):
            candidate = project(image, z, budget, grid)
            logits, gradients = smoothed.gradients(candidate, label, loss)
            margin = float(margins(logits, label)[0])
            if margin < least:
                best, least = candidate, margin
            z = z + 2.5 * budget.epsilon / steps * direction(gradients, budget.norm)
            z = np.clip(into_ball(z, image, budget), grid.low, grid.high)
    return best
