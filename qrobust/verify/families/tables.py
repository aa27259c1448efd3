"""Families that change every number through one table: contrast, gamma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families.family import Family


class Tables(Family):
    """``x'[i] = table[x[i]]`` for finitely many tables.

    Args:
        domain: the inputs.

    A subclass sets the tables with `keep`.
    """

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._tables = np.zeros((0, domain.levels), np.int16)
        self._names: list[str] = []

    def keep(self, tables: NDArray[np.int16], names: list[str]) -> None:
        """Take tables in the order of their parameter; the identity is among them.

        Equal tables become one; the others are ordered by how far from the identity they come.

        Args:
            tables: int16[parameters, levels], grid integers.
            names: of the parameters.
        """
        first = distinct_rows(tables)
        tables, names = tables[first], [names[i] for i in first]
        identity = np.arange(self.domain.low, self.domain.high + 1)
        (here,) = np.nonzero((tables == identity).all(axis=1))
        order = np.argsort(np.abs(np.arange(len(tables)) - int(here[0])), kind="stable")
        self._tables, self._names = tables[order], [names[i] for i in order]

    @property
    def size(self) -> int:
        """How many different tables."""
        return len(self._tables)

    @property
    def tables(self) -> NDArray[np.int16]:
        """All different tables, int16[size, levels], grid integers."""
        return self._tables

    def apply(self, x: Picture, members: Integers) -> Picture:
        """Look every number up."""
        return self._tables[members][:, x.astype(np.intp) - self.domain.low]

    def name(self, member: int) -> str:
        """Return the parameter."""
        return self._names[member]

    def distinct(self, x: Picture, most: int | None = None) -> Integers:
        """Tables that agree on the picture's own values are one."""
        values = np.unique(x).astype(np.intp) - self.domain.low
        return distinct_rows(self._tables[:, values])[:most]


def distinct_rows(rows: NDArray[np.int16]) -> Integers:
    """Return the index of the first of every set of equal rows, ascending."""
    packed = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * 2)))[:, 0]
    _, first = np.unique(packed, return_index=True)
    return np.sort(first)
