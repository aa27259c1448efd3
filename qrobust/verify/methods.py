"""The methods of `verify`, by name; each module registers its own."""

from __future__ import annotations

from collections.abc import Callable
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


def register(name: str) -> Callable[[Method], Method]:
    """Return a decorator that makes a method known as ``name``."""

    def keep(method: Method) -> Method:
        if name in METHODS:
            raise ValueError(f"there is a method {name!r} already")
        METHODS[name] = method
        return method

    return keep


def find(name: str) -> Method:
    """Return a method; `CertifyError` where there is none of that name."""
    if name not in METHODS:
        raise CertifyError(f"unknown method {name!r}; known: {', '.join(sorted(METHODS))}")
    return METHODS[name]


def check_budget(budget: int) -> int:
    """Return the budget; `CertifyError` below 1."""
    if budget < 1:
        raise CertifyError(f"a budget is at least 1, received {budget}")
    return budget
