"""Rotation about the centre, nearest neighbour: every angle through its finitely many maps."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import atan, degrees, factorial, isqrt

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import text
from qrobust.verify.domain import Domain, Picture
from qrobust.verify.families.index_maps import BORDERS, EDGE, IndexMaps, Places
from qrobust.verify.families.surds import BITS, Surd, surd

_MOST_DEGREES = 45
#: Nearer to a whole number than this, a float64 floor is computed again in fractions.
_DOUBTFUL = 1e-7
#: Pi, rounded up.
_PI = Fraction(314159265358979323847, 10**20)


@dataclass(frozen=True)
class _Coordinates:
    """One coordinate of all sources: ``floor((U cos + V sin + size) / 2)``.

    Attributes:
        u: int64[pixels], twice the pixel's own distance from the centre along this axis.
        v: int64[pixels], plus or minus twice the distance along the other axis.
        size: of the picture along this axis.
    """

    u: Places
    v: Places
    size: int

    def at(self, t: Fraction) -> Places:
        """Sources at the angle ``2 atan(t)``, exact: doubtful floors are computed in fractions."""
        half = float(t)
        cos, sin = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
        real = (self.u * cos + self.v * sin + self.size) / 2
        floor = np.floor(real).astype(np.int64)
        for i in np.nonzero(np.abs(real - np.rint(real)) < _DOUBTFUL)[0].tolist():
            scale = 1 + t * t
            exact = (int(self.u[i]) * (1 - t * t) + int(self.v[i]) * 2 * t) / scale + self.size
            floor[i] = exact // 2
        return floor


class Rotate(IndexMaps):
    """Every angle from -most to most degrees; pixels are read from the nearest neighbour.

    With rows and columns counted from the centre, twice over, pixel (U, V) is read from row
    ``floor((U cos a + V sin a + height) / 2)`` and column
    ``floor((V cos a - U sin a + width) / 2)``: the nearest pixel, halves upwards. The map changes
    only where one of these is a whole number before the floor. With ``t = tan(a / 2)`` these
    breakpoints are roots of ``(M + U) t**2 - 2 V t + (M - U)``, M a whole number: they are equal
    exactly or certainly apart. Members are the maps of all open intervals between breakpoints
    and of all breakpoints.

    The range of t is widened outwards by less than ``2**-38``.

    Args:
        domain: the inputs.
        most: in degrees, above 0 and at most 45.
        border: for sources outside the picture, one of `BORDERS`.

    Raises:
        CertifyError: an angle outside that range, a bad border, or more maps than memory.
    """

    def __init__(self, domain: Domain, most: Fraction, border: str = EDGE) -> None:
        super().__init__(domain, border, "rotate")
        if not 0 < most <= _MOST_DEGREES:
            raise CertifyError(
                f"rotate takes degrees above 0, {_MOST_DEGREES} at most, received {text(most)}"
            )
        height, width = domain.shape[:2]
        rows, columns = np.divmod(np.arange(height * width), width)
        u, v = 2 * rows - (height - 1), 2 * columns - (width - 1)
        axes = (_Coordinates(u, v, height), _Coordinates(v, -u, width))
        end = half_tangent(most)
        self._axes, self._end = axes, end
        # About one source in |V| sin(a) / 2 changes; at most eight of them at once by symmetry.
        self.check_room(int(sum(float(np.abs(axis.v).sum() * end) for axis in axes)) // 8)
        events = breakpoints(axes, end)
        self.check_room(2 * len(events) + 1)
        points = sorted(events, key=Surd.bounds)
        maps, places = [], []
        for i, t in enumerate(between(points, end)):
            here = [axis.at(t) for axis in axes]
            maps.append(self.source(*here))
            places.append(float(t))
            if i < len(points):
                for axis, pixel, n in events[points[i]]:
                    here[axis][pixel] = n
                maps.append(self.source(*here))
                places.append(sum(points[i].bounds()) / 2 / 2**BITS)
        order = np.argsort(np.abs(places), kind="stable")
        ordered = np.stack(maps)[order]
        _, first = np.unique(ordered, axis=0, return_index=True)
        first = np.sort(first)
        self._maps = ordered[first]
        self._angles = np.array([degrees(2 * atan(places[i])) for i in order[first].tolist()])
        self.text = f"rotate:{text(most)}:border={border}"
        self.claim = (
            f"rotated about the centre by every real angle from -{text(most)} to {text(most)} "
            f"degrees, nearest neighbour, halves upwards; border: {BORDERS[border]}"
        )

    def draw(self, x: Picture, rng: np.random.Generator) -> Picture:
        """Draw an angle as a dyadic tan(a / 2), whose sources are exact fractions."""
        t = self._end * Fraction(int(rng.integers(-(10**6), 10**6 + 1)), 10**6)
        source = self.source(*(axis.at(t) for axis in self._axes))
        (picture,) = self.moved(x, source[None])
        return np.asarray(picture, np.int16)

    def name(self, member: int) -> str:
        """Return an angle that gives the map."""
        return f"rotate about {self._angles[member]:+.6f} degrees"


def half_tangent(most: Fraction) -> Fraction:
    """Return a multiple of ``2**-40`` above ``tan(most degrees / 2)``, by less than ``2**-38``.

    The margin leaves room for an interval after a breakpoint at the very end: 30 degrees is one.
    """
    x = most * _PI / 360
    # Alternating and falling: partial sums enclose, the sine from above, the cosine from below.
    sine = sum((-1) ** i * x ** (2 * i + 1) / factorial(2 * i + 1) for i in range(9))
    cosine = sum((-1) ** i * x ** (2 * i) / factorial(2 * i) for i in range(10))
    return Fraction(int(Fraction(sine) / cosine * 2**40) + 2, 2**40)


def breakpoints(
    axes: tuple[_Coordinates, ...], end: Fraction
) -> dict[Surd, list[tuple[int, int, int]]]:
    """Return every t in ``[-end, end]`` with the (axis, pixel, source) that are whole there."""
    limit = end * 2**BITS
    events: dict[Surd, list[tuple[int, int, int]]] = defaultdict(list)
    for axis, coordinates in enumerate(axes):
        size = coordinates.size
        pixels = zip(coordinates.u.tolist(), coordinates.v.tolist(), strict=True)
        for pixel, (u, v) in enumerate(pixels):
            # U cos a + V sin a = M; M = 2 n - size for source n.
            reach = isqrt(u * u + v * v)
            for m in range(-reach, reach + 1):
                if (m + size) % 2:
                    continue
                for t in _roots(u, v, m):
                    low, high = t.bounds()
                    if low <= limit and high >= -limit:
                        events[t].append((axis, pixel, (m + size) // 2))
    return dict(events)


def _roots(u: int, v: int, m: int) -> set[Surd]:
    """All t with ``(m + u) t**2 - 2 v t + (m - u) = 0``."""
    if m + u == 0:
        return {surd(m - u, 0, 0, 2 * v)} if v else set()
    radicand = u * u + v * v - m * m
    return {surd(v, sign, radicand, m + u) for sign in (-1, 1)}


def between(points: list[Surd], end: Fraction) -> list[Fraction]:
    """Return one dyadic t inside every open interval that the points cut ``[-end, end]`` into."""
    unit = 2**BITS
    bounds = [point.bounds() for point in points]
    lows = [int(-end * unit), *(high for _, high in bounds)]
    highs = [*(low for low, _ in bounds), int(end * unit)]
    places = []
    for low, high in zip(lows, highs, strict=True):
        t = Fraction(float(Fraction(low + high, 2 * unit)))
        if not low < t * unit < high:
            raise CertifyError("rotate: two breakpoints lie too close together to separate")
        places.append(t)
    return places
