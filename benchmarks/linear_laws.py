"""The exact law of a linear integer network under saturated noise, and its true robust radius.

Nothing here comes from the certifier: the distribution function of the noise is mpmath's, rounded
down to `BITS` bits; sums of saturated coordinates are convolved; radii are found by looking at the
grid. The network sees ``S = w . sat(x + N)`` on int8 tensor values and answers

* class 0 where ``S >= upper``, class 1 where ``S < lower``, class 2 in between,

which is the argmax of the logits ``(2 (S - upper) + 1, 2 (lower - S) - 1, 0)``, without ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from statistics import NormalDist

import mpmath
import numpy as np

BITS = 96
CLASSES = 3
LOW, HIGH = -128, 127
STEPS = HIGH - LOW + 1
VALUES = np.arange(LOW, HIGH + 1)

#: Floats decide which of two probabilities is greater where they are further apart than this;
#: their own error is below 1e-11. Closer ones are compared in integers, or refused.
CLEAR = 1e-9


@dataclass(frozen=True)
class Network:
    """A linear classifier with integer weights; the last weight is positive."""

    weights: tuple[int, ...]
    upper: int
    lower: int

    def labels(self, x: np.ndarray) -> np.ndarray:
        """Classes of int8[count, coordinates] tensor values."""
        score = x.astype(np.int32) @ np.array(self.weights, np.int32)
        logits = (2 * (score - self.upper) + 1, 2 * (self.lower - score) - 1, 0 * score)
        return np.argmax(np.stack(logits, axis=1), axis=1)


@dataclass(frozen=True)
class Place:
    """An input, what the smoothed network truly does there, and how far that holds.

    Attributes:
        network: the classifier.
        sigma: of the noise, in LSB.
        x: tensor values.
        p: probabilities of the three classes.
        label: the most probable class.
        turn: squared length of the shortest integer shift known to change the label: no
            certificate may be longer. On two coordinates none is shorter.
    """

    network: Network
    sigma: Fraction
    x: tuple[int, ...]
    p: tuple[float, float, float]
    label: int
    turn: int

    @property
    def radius(self) -> float:
        """Length of that shift, in LSB."""
        return float(self.turn) ** 0.5

    def licensed(self, two_class: bool) -> float:
        """Radius that Cohen's theorem gives for the true probabilities, in LSB; 0 where none."""
        first = self.p[self.label]
        second = max(np.delete(self.p, self.label)) if two_class else 1 - first
        both = NormalDist().inv_cdf(first) - NormalDist().inv_cdf(float(second))
        return max(float(self.sigma) * both / 2, 0.0)

    @property
    def slack(self) -> float:
        """What the theorem leaves on the table here, in sigmas."""
        two_class = self.network.upper != self.network.lower
        return (self.radius - self.licensed(two_class)) / float(self.sigma)


@lru_cache(maxsize=64)
def tails(sigma: Fraction) -> np.ndarray:
    """``floor(2**96 P(sat(x + N) >= m))``: object[x - LOW, m - LOW], m up to ``HIGH + 1``."""
    with mpmath.workprec(3 * BITS):
        scale = mpmath.mpf(sigma.numerator) / sigma.denominator
        # P(x + N >= m) = P(N >= m - x): the Gaussian beyond m - x - 1/2, by symmetry.
        beyond = {
            k: int(mpmath.floor(mpmath.ncdf((mpmath.mpf(1) / 2 - k) / scale) * 2**BITS))
            for k in range(LOW - HIGH, HIGH - LOW + 1)
        }
    table = np.empty((STEPS, STEPS + 1), object)
    for row, x in enumerate(VALUES.tolist()):
        table[row] = [1 << BITS] + [beyond[m - x] for m in range(LOW + 1, HIGH + 1)] + [0]
    return table


@lru_cache(maxsize=64)
def masses(sigma: Fraction) -> np.ndarray:
    """``P(sat(x + N) = s)``: float64[x - LOW, s - LOW]."""
    table = tails(sigma)
    return ((table[:, :-1] - table[:, 1:]) / (1 << BITS)).astype(np.float64)


# Two coordinates: every point of the grid


@lru_cache(maxsize=16)
def grid(network: Network, sigma: Fraction) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities float64[256, 256, 3] and labels of all inputs of two coordinates."""
    table = (tails(sigma) / (1 << BITS)).astype(np.float64)
    above = [masses(sigma) @ table[:, _least(network, t)].T for t in (network.upper, network.lower)]
    p = np.stack([above[0], 1 - above[1], above[1] - above[0]], axis=-1)
    labels = np.argmax(p, axis=-1)
    first, second = np.sort(p, axis=-1)[..., :0:-1].transpose(2, 0, 1)
    for a, b in np.argwhere(first - second < CLEAR).tolist():
        labels[a, b] = int(np.argmax(exact(network, sigma, (a + LOW, b + LOW))))
    return p, labels


def _least(network: Network, threshold: int) -> np.ndarray:
    """Column of `tails`, per value of the first coordinate: the least second one that reaches."""
    w0, w1 = network.weights
    return np.clip(-((w0 * VALUES - threshold) // w1), LOW, HIGH + 1) - LOW


def exact(network: Network, sigma: Fraction, x: tuple[int, ...]) -> list[int]:
    """Probabilities of the classes in units of ``2**-192``, in integers."""
    table = tails(sigma)
    first, second = table[x[0] - LOW], table[x[1] - LOW]
    mass = first[:-1] - first[1:]
    upper, lower = (int(mass @ second[_least(network, t)]) for t in (network.upper, network.lower))
    return [upper, (1 << 2 * BITS) - lower, lower - upper]


def pair_places(network: Network, sigma: Fraction, rng: np.random.Generator) -> list[Place]:
    """Some inputs of two coordinates that belong to class 0, with their true radii."""
    p, labels = grid(network, sigma)
    inside = np.argwhere((labels == 0) & (p[..., 0] < 0.98))
    # The nearest input of another class has a neighbour of class 0: the one a step nearer.
    edged = np.pad(labels == 0, 1)
    beside = edged[2:, 1:-1] | edged[:-2, 1:-1] | edged[1:-1, 2:] | edged[1:-1, :-2]
    others = np.argwhere((labels != 0) & beside)
    places = []
    for a, b in rng.permutation(inside)[:2000].tolist():
        turn = int(((others - (a, b)) ** 2).sum(axis=1).min())
        x = (a + LOW, b + LOW)
        places.append(Place(network, sigma, x, tuple(p[a, b].tolist()), 0, turn))
    return places


# Many coordinates with weight 1 and one value: the law by Fourier transforms


@dataclass(frozen=True)
class Crowd:
    """Many equal coordinates of weight 1, shifted down by a total that is shared evenly."""

    network: Network
    sigma: Fraction
    value: int = 0

    @property
    def count(self) -> int:
        """Coordinates."""
        return len(self.network.weights)

    def x(self, total: int) -> tuple[int, ...]:
        """Tensor values of the shifted input."""
        each, more = divmod(total, self.count)
        shifted = [self.value - each - 1] * more + [self.value - each] * (self.count - more)
        return tuple(shifted)

    def p(self, total: int) -> tuple[float, float, float]:
        """Probabilities of the classes at the shifted input."""
        size = 1 << (self.count * STEPS).bit_length()
        transform = np.ones(size // 2 + 1, np.complex128)
        values, counts = np.unique(self.x(total), return_counts=True)
        for value, count in zip(values, counts, strict=True):
            mass = masses(self.sigma)[value - LOW]
            transform *= np.fft.rfft(mass, size) ** int(count)
        law = np.fft.irfft(transform, size)
        start = self.count * LOW
        upper, lower = (float(law[t - start :].sum()) for t in self.levels())
        return upper, 1 - lower, lower - upper

    def levels(self) -> tuple[int, int]:
        """Both thresholds of the score."""
        return self.network.upper, self.network.lower

    def label(self, total: int) -> int:
        """The smoothed network's label at the shifted input."""
        p = self.p(total)
        if sorted(p)[-1] - sorted(p)[-2] < CLEAR:
            raise ValueError("two classes are too close for floats; choose another place")
        return int(np.argmax(p))

    def place(self) -> Place | None:
        """This input, with the shortest even shift that turns it; None where it is not class 0."""
        if self.label(0) != 0:
            return None
        low, high = 0, 1
        while self.label(high) == 0:  # class 0 only loses by going down
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.label(middle) == 0 else (low, middle)
        turn = sum((self.value - moved) ** 2 for moved in self.x(high))
        return Place(self.network, self.sigma, self.x(0), self.p(0), 0, turn)


def exceeds(radius_q16: int, turn: int) -> bool:
    """Whether a radius in units of ``2**-16`` is longer than a shift of squared length turn."""
    return radius_q16 > isqrt(turn << 32)
