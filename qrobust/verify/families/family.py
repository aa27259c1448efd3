"""What a family is: a finite, ordered set of changed inputs that contains the input itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from qrobust.verify.domain import Domain, Integers, Picture


class Family(ABC):
    """Changes of an input with one discrete parameter, or a parameter with finitely many effects.

    Member 0 changes nothing, and later members change more: the first member that changes a
    network's answer is a small change.

    Args:
        domain: the inputs it acts on.

    Attributes:
        domain: likewise.
        text: the family as it is typed, in canonical form.
        claim: the family in words: range, rounding rule, border rule.
    """

    text: str
    claim: str

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of members, whatever the input."""

    @abstractmethod
    def apply(self, x: Picture, members: Integers) -> Picture:
        """Return the members of ``x``, int16[len(members), *shape].

        Args:
            x: int16[*shape], grid integers.
            members: int64, each in ``[0, size)``.
        """

    @abstractmethod
    def name(self, member: int) -> str:
        """Return the parameter of a member, in words."""

    def draw(self, x: Picture, rng: np.random.Generator) -> Picture:
        """Return the input changed by a parameter drawn at random, int16[*shape].

        Families of a real parameter draw it and follow the definition, not the list of members:
        what is drawn checks that list.
        """
        (picture,) = self.apply(x, rng.integers(0, self.size, 1))
        return np.asarray(picture, np.int16)

    def distinct(self, x: Picture, most: int | None = None) -> Integers:
        """Return members that together give every picture of the family of ``x``, ascending.

        Args:
            x: int16[*shape], grid integers.
            most: the first so many of them; all by default. A product may have more members than
                memory.
        """
        return np.arange(self.size if most is None else min(self.size, most))
