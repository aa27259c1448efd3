"""Attacks inside certified radii: none may succeed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.ball import direction, into_ball
from qrobust.attacks.ground.budget import L2, Budget
from qrobust.attacks.ground.pixel_grid import Integers, project, random_start, verify
from qrobust.attacks.ground.target import CROSS_ENTROPY, MARGIN, Labels, margins
from qrobust.attacks.targets.keras_target import KerasTarget
from qrobust.attacks.targets.smoothed_target import SmoothedTarget
from qrobust.certify import ABSTAIN, Certificate, Certifier
from qrobust.certify.arithmetic.exact_numbers import text
from qrobust.certify.run.keys import read_key

#: Error probability of one verdict: thousands of them are made.
_ALPHA = "0.000001"

#: Certificates hold for distances under the radius, not at it; radii are multiples of this.
_OPEN = 2**-16

_LOSSES = (CROSS_ENTROPY, MARGIN)

#: Candidates that are compared at the end, and noisy copies of each.
_FINALISTS = 5
_RANKING = 1000


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
        certifier: of the file that was certified; its keys must not be the certificates'.
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
        ValueError: certificates of another file or noise than the certifier's, or made with the
            same keys; none with a radius to attack.
    """
    chosen = attackable(certificates)
    _check_same(certifier, chosen)
    seed_of_verdicts = certifier.keys.seed
    if any(read_key(c.key) == (seed_of_verdicts, c.index) for c in chosen):
        raise ValueError(
            f"The verdicts need fresh samples: make the certifier with another seed than the "
            f"certificates', {seed_of_verdicts}."
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


def attackable(certificates: Sequence[Certificate]) -> list[Certificate]:
    """Those whose ball holds an integer input besides their own; `ValueError` where none does."""
    chosen = [
        c for c in certificates if c.label != ABSTAIN and c.norm == L2 and c.radius - _OPEN >= 1
    ]
    if not chosen:
        raise ValueError(
            f"None of {len(certificates)} certificates has an L2 radius of 1 LSB or more; "
            f"there is nothing to attack."
        )
    return chosen


def _check_same(certifier: Certifier, certificates: Sequence[Certificate]) -> None:
    for name, mine in (
        ("model_sha256", certifier.file.sha256),
        ("noise", certifier.noise.kind),
        ("sigma", text(certifier.noise.sigma)),
    ):
        for certificate in certificates:
            theirs = getattr(certificate, name)
            if theirs != mine:
                raise ValueError(
                    f"The certificate of image {certificate.index} has {name} {theirs}; the "
                    f"certifier {mine}. Only its own file and noise can refute it."
                )


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
    none does; here the certifier's votes decide, so the most promising input is what counts. The
    least of many noisy margins is mostly the luckiest: the best few are compared on many draws.
    """
    grid = smoothed.grid
    found: dict[bytes, tuple[float, Integers]] = {}
    for restart in range(restarts):
        z = image.astype(np.float64) if restart == 0 else random_start(image, budget, grid, [rng])
        loss = _LOSSES[restart % len(_LOSSES)]
        for _ in range(steps + 1):
            candidate = project(image, z, budget, grid)
            logits, gradients = smoothed.gradients(candidate, label, loss)
            met = float(margins(logits, label)[0]), candidate
            found[candidate.tobytes()] = min(met, found.get(candidate.tobytes(), met), key=_margin)
            z = z + 2.5 * budget.epsilon / steps * direction(gradients, budget.norm)
            z = into_ball(z, image, budget, grid)
    best = [candidate for _, candidate in sorted(found.values(), key=_margin)[:_FINALISTS]]
    points = np.concatenate(best)
    rounds = -(-_RANKING // smoothed.draws)
    answers = np.stack([smoothed.logits(points) for _ in range(rounds)])
    mean = np.logaddexp.reduce(answers, axis=0) - np.float32(np.log(rounds))
    return best[int(margins(mean, np.repeat(label, len(best))).argmin())]


def _margin(pair: tuple[float, Integers]) -> float:
    return pair[0]
