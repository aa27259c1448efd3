"""Two families one after the other."""

from __future__ import annotations

import numpy as np

from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families.family import Family


class Product(Family):
    """Every member of the second family of every member of the first.

    Args:
        domain: the inputs.
        first: acts on the input.
        second: acts on what the first gives.
    """

    def __init__(self, domain: Domain, first: Family, second: Family) -> None:
        super().__init__(domain)
        self._first, self._second = first, second
        self.text = f"{first.text}*{second.text}"
        self.claim = f"first: {first.claim}; then: {second.claim}"

    @property
    def size(self) -> int:
        """The product of the sizes."""
        return self._first.size * self._second.size

    def apply(self, x: Picture, members: Integers) -> Picture:
        """Apply the first, then the second."""
        outer, inner = np.divmod(members, self._second.size)
        pictures = np.empty((len(members), *self.domain.shape), np.int16)
        for which in np.unique(outer):
            (changed,) = self._first.apply(x, np.array([which]))
            here = outer == which
            pictures[here] = self._second.apply(changed, inner[here])
        return pictures

    def name(self, member: int) -> str:
        """Return both parameters."""
        outer, inner = divmod(member, self._second.size)
        return f"{self._first.name(outer)}, {self._second.name(inner)}"

    def draw(self, x: Picture, rng: np.random.Generator) -> Picture:
        """Draw from the first, then from the second."""
        return self._second.draw(self._first.draw(x, rng), rng)

    def distinct(self, x: Picture, most: int | None = None) -> Integers:
        """Distinct members of the second, for distinct members of the first."""
        parts, found = [], 0
        for which in self._first.distinct(x, most):
            left = None if most is None else most - found
            if left == 0:
                break
            (changed,) = self._first.apply(x, np.array([which]))
            parts.append(which * self._second.size + self._second.distinct(changed, left))
            found += len(parts[-1])
        return np.concatenate(parts)
