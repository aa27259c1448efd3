"""Proof by exhaustion: the file is run on every member of a finite set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qrobust.verify.domain import Integers, Picture
from qrobust.verify.families.family import Family
from qrobust.verify.methods import check_budget, register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.predict import Predictor
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Box, FamilyOf, Region

METHOD = "enumeration"
_CHUNK = 256
DEFAULT_BUDGET = 100_000


@register(METHOD)
def enumeration(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """Run the file on every member of a family, or on every integer input of a small box."""
    if isinstance(region, FamilyOf):
        family = problem.family(region.text)
        return exhaust_family(problem.predictor, family, x, budget=budget)
    return exhaust_box(problem.predictor, x, region.box(x, problem.domain), budget=budget)


def exhaust_family(
    predictor: Predictor, family: Family, x: Picture, *, budget: int = DEFAULT_BUDGET
) -> Outcome:
    """Run the file on every member; the first that gets another label refutes.

    Args:
        predictor: of the file.
        family: of changes.
        x: int16[*shape], grid integers.
        budget: most inferences; a family with more distinct members stays unknown unless one of
            the first members refutes.
    """
    check_budget(budget)
    distinct = family.distinct(x, budget + 1)
    parts = ((part, family.apply(x, part)) for part in _chunks(distinct[:budget]))
    label = int(predictor.labels(x[None])[0])
    done = 0
    for part, pictures in parts:
        labels = predictor.labels(pictures)
        done += len(part)
        (changed,) = np.nonzero(labels != label)
        if len(changed):
            i = int(changed[0])
            member = int(part[i])
            found = Counterexample(pictures[i], int(labels[i]), member, family.name(member))
            return Outcome(REFUTED, label, METHOD, done, members=family.size, counterexample=found)
    status = PROVEN if done == len(distinct) else UNKNOWN
    return Outcome(status, label, METHOD, done, members=family.size)


def exhaust_box(
    predictor: Predictor, x: Picture, box: Box, *, budget: int = DEFAULT_BUDGET
) -> Outcome:
    """Run the file on every integer input of a small box.

    A box with more inputs than the budget is unknown at once: none is run.
    """
    check_budget(budget)
    label = int(predictor.labels(x[None])[0])
    volume = box.volume
    if volume > budget:
        return Outcome(UNKNOWN, label, METHOD, members=volume)
    done = 0
    for start in range(0, volume, _CHUNK):
        part = np.arange(start, min(start + _CHUNK, volume))
        pictures = pictures_of(box, part)
        labels = predictor.labels(pictures)
        done += len(part)
        (changed,) = np.nonzero(labels != label)
        if len(changed):
            i = int(changed[0])
            found = Counterexample(pictures[i], int(labels[i]))
            return Outcome(REFUTED, label, METHOD, done, members=volume, counterexample=found)
    return Outcome(PROVEN, label, METHOD, done, members=volume)


def pictures_of(box: Box, numbers: Integers) -> Picture:
    """Return inputs of a box by their number, int16[n, *shape]; the last number moves fastest."""
    low = box.low.ravel()
    widths = (box.high.ravel().astype(np.int64) - low) + 1
    flat = np.repeat(low[None], len(numbers), axis=0)
    rest = numbers.copy()
    for i in np.nonzero(widths > 1)[0][::-1]:
        rest, digit = np.divmod(rest, widths[i])
        flat[:, i] += digit.astype(np.int16)
    return flat.reshape(-1, *box.low.shape)


def _chunks(members: Integers) -> Iterator[Integers]:
    for start in range(0, len(members), _CHUNK):
        yield members[start : start + _CHUNK]
