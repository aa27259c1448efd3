"""The methods of `verify`, by name; each module registers its own."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import TypeAlias

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Picture
from qrobust.verify.outcome import Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Region

#: From a file, an input, a region and a budget to what came out. The budget counts runs of the
#: file where a method enumerates, and boxes where it bounds.
Method: TypeAlias = Callable[[Problem, Picture, Region, int], Outcome]

METHODS: dict[str, Method] = {}

#: Those whose answers an audit can check, and a journal may hold.
JOURNALED: set[str] = set()


def register(name: str, *, journal: bool = True) -> Callable[[Method], Method]:
    """Return a decorator that makes a method known as ``name``.

    Args:
        name: for `verify`.
        journal: whether what it proves may be written down as a proof. Not so of a solver in
            floats, nor of what is said about the smoothed classifier, for which `certify` writes
            certificates.
    """

    def keep(method: Method) -> Method:
        if name in METHODS:
            raise ValueError(f"there is a method {name!r} already")
        METHODS[name] = method
        if journal:
            JOURNALED.add(name)
        return method

    return keep


def find(name: str) -> Method:
    """Return a method; `CertifyError` where there is none of that name."""
    if name not in METHODS:
        raise CertifyError(f"unknown method {name!r}; known: {', '.join(sorted(METHODS))}")
    return METHODS[name]


def find_journaled(name: str) -> Method:
    """Return a method whose proofs a journal may hold; `CertifyError` for another."""
    method = find(name)
    if name not in JOURNALED:
        raise CertifyError(
            f"no audit can check what {name!r} says, so it goes into no journal of proofs: ask "
            f"qrobust.verify.verify, or take one of {', '.join(sorted(JOURNALED))}; a smoothed "
            "classifier has certificates of qrobust certify"
        )
    return method


def check_budget(budget: int) -> int:
    """Return the budget; `CertifyError` below 1, or for no whole number: NaN would never end."""
    try:
        budget = index(budget)
    except TypeError:
        raise CertifyError(f"a budget is a whole number, received {budget!r}") from None
    if budget < 1:
        raise CertifyError(f"a budget is at least 1, received {budget}")
    return budget
