"""Gamma curves: every exponent of a range, through its finitely many tables."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from itertools import product

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import text
from qrobust.verify.domain import Domain, Picture
from qrobust.verify.families.tables import Tables

_LEAST, _MOST = Fraction(1, 16), Fraction(16)
_LOG_UNIT = 10**45
_UNIT = 10**35
#: Breakpoints that no enclosure separates; each doubles the tables there.
_MOST_TOGETHER = 8


class Gamma(Tables):
    r"""``floor(T (v / T)**g + 1/2)`` for every real g in ``[least, most]``; T is the top level.

    Level v falls from k to k - 1 where g passes

    .. math:: g = \ln((k - 1/2) / T) / \ln(v / T),

    which is not rational in general. Each such breakpoint is enclosed by integers with directed
    rounding. Enclosures that lie apart are in a certain order; where some overlap, the tables of
    all orders are members, and so are those of a breakpoint that may lie in the range. At a
    breakpoint itself the table is the one before it: all levels fall with g, so the floor is
    continuous from that side.

    Args:
        domain: pixels, a grid from 0 on.
        least: smallest exponent, in ``[1/16, 1]``.
        most: greatest, in ``[1, 16]``.

    Raises:
        CertifyError: another grid, or a range without 1.
    """

    def __init__(self, domain: Domain, least: Fraction, most: Fraction) -> None:
        super().__init__(domain)
        if domain.low != 0:
            raise CertifyError(f"gamma acts on pixels, a grid from 0 on; this starts {domain.low}")
        if not _LEAST <= least <= 1 <= most <= _MOST or least == most:
            raise CertifyError(
                f"gamma takes a range from at least {_LEAST} to at most {_MOST} that holds 1, "
                f"received {text(least)}..{text(most)}"
            )
        top = domain.high
        self.text = f"gamma:{text(least)}..{text(most)}"
        self.claim = (
            f"floor({top} (v / {top})**g + 1/2) for every real g from {text(least)} to "
            f"{text(most)}, the same g for every number"
        )
        events = enclosures(top, least, most)
        tables = [start(top, least)]
        names = [f"gamma {float(least):.9f}"]
        for group in together(events):
            tables += passed(tables[-1], [level for _, _, level in group])
            new = len(tables) - len(names)
            names += [f"gamma about {group[-1][1] / _UNIT:.9f}"] * new
        self.keep(np.stack(tables), names)
        self._range = (least, most)

    def draw(self, x: Picture, rng: np.random.Generator) -> Picture:
        """Draw an exponent of 12 decimals; powers in 50 digits."""
        least, most = self._range
        g = least + (most - least) * Fraction(int(rng.integers(0, 10**9 + 1)), 10**9)
        context = Context(prec=50)
        power = context.divide(Decimal(g.numerator), Decimal(g.denominator))
        top = Decimal(self.domain.high)
        curve = [
            context.multiply(top, context.power(context.divide(Decimal(v), top), power))
            for v in range(1, self.domain.high + 1)
        ]
        table = np.array([0, *(int(context.add(y, Decimal("0.5"))) for y in curve)], np.int16)
        return table[x.astype(np.intp)]


#: Least and greatest ``g * _UNIT`` of a breakpoint, and the level that falls there.
Event = tuple[int, int, int]


def enclosures(top: int, least: Fraction, most: Fraction) -> list[Event]:
    """Return all breakpoints that may lie in the range, ascending by their lower ends."""
    logs = _logs(2 * top)
    first, last = least * _UNIT, most * _UNIT
    events = []
    for v in range(1, top):
        low, high = logs[2 * top][0] - logs[2 * v][1], logs[2 * top][1] - logs[2 * v][0]
        for k in range(1, top + 1):
            near = logs[2 * top][0] - logs[2 * k - 1][1]
            far = logs[2 * top][1] - logs[2 * k - 1][0]
            begin, end = near * _UNIT // high, -(-far * _UNIT // low)
            if begin <= last and end >= first:
                events.append((begin, end, v))
    return sorted(events)


def start(top: int, least: Fraction) -> Picture:
    """Return the table of ``least``: ``table[v] = #{k : breakpoint(v, k) >= least}``.

    A breakpoint whose enclosure holds ``least`` counts: it is one of `enclosures`, so the table
    without it is a member, too.
    """
    logs = _logs(2 * top)
    table = np.zeros(top + 1, np.int16)
    table[top] = top
    first = least * _UNIT
    for v in range(1, top):
        low = logs[2 * top][0] - logs[2 * v][1]
        table[v] = sum(
            -(-(logs[2 * top][1] - logs[2 * k - 1][0]) * _UNIT // low) >= first
            for k in range(1, top + 1)
        )
    return table


def together(events: list[Event]) -> list[list[Event]]:
    """Split into groups; enclosures of different groups do not overlap."""
    groups: list[list[Event]] = []
    reach = -1
    for event in events:
        if groups and event[0] <= reach:
            groups[-1].append(event)
        else:
            groups.append([event])
        reach = max(reach, event[1])
    return groups


def passed(table: Picture, levels: list[int]) -> list[Picture]:
    """Return the tables met while these levels fall by 1 in an unknown order; the last: all."""
    if len(levels) > _MOST_TOGETHER:
        raise CertifyError(f"gamma: {len(levels)} breakpoints cannot be separated")
    tables = []
    for chosen in list(product((0, 1), repeat=len(levels)))[1:]:
        after = table.copy()
        np.subtract.at(after, [v for v, taken in zip(levels, chosen, strict=True) if taken], 1)
        tables.append(after)
    return tables


def _logs(most: int) -> list[tuple[int, int]]:
    """Integers around ``ln(n) * _LOG_UNIT`` for n up to ``most``; entry 0 is unused.

    Decimal's ``ln`` rounds correctly; one unit on either side is far more than its error.
    """
    context = Context(prec=60)
    near = [0, *(int(context.ln(n) * _LOG_UNIT) for n in range(1, most + 1))]
    return [(log - 1, log + 1) for log in near]
