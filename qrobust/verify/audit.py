"""Checking a journal of proofs: every claim is proven again, every counterexample run again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.auditing.offline import Finding
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import CLOSED, chain, read_lines
from qrobust.certify.run.plan import planned as planned_indices
from qrobust.verify.batch import ProofJob, image_of, job_header, prove_image
from qrobust.verify.branching import METHOD as BRANCHING
from qrobust.verify.branching import check_tree
from qrobust.verify.corners import Corners
from qrobust.verify.domain import Picture
from qrobust.verify.outcome import PROVEN, REFUTED, Counterexample
from qrobust.verify.pixels import METHOD as SUBSETS
from qrobust.verify.pixels import changed_pixels
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine, is_proof, picture_sha256
from qrobust.verify.regions import FamilyOf, PixelChanges, Region

_FREE = ("chain", "seconds")
_OF_JOURNALS = {"format", "version", "indices", "chain"}
_ABOUT = (
    ("model_sha256", "model"),
    ("data_sha256", "data"),
    ("mask_sha256", "mask"),
    ("corners_sha256", "file of boxes"),
)


def audit_proofs(
    journal: str | os.PathLike[str],
    model: bytes,
    data: Data,
    *,
    mask: bytes | None = None,
    corners: Corners | None = None,
    every: int = 1,
) -> Iterator[Finding]:
    """Check the lines of a journal of proofs; yield one `Finding` a line.

    Enumerations run again and must agree in every field. A tree of boxes is not searched for
    again: its leaves cover the region by construction, and each is proven again. Counterexamples
    must lie in the region and get the label that the line says. A line that claims nothing
    ("unknown") stands if its own label is right.

    Args:
        journal: what `prove_dataset` wrote.
        model: bytes of the ``.tflite`` file.
        data: the data.
        mask: of the region, where it has one.
        corners: of the images, where each has a box of its own.
        every: check one line in this many; the chain of all lines is checked.

    Raises:
        CertifyError: no journal of proofs, or one of another model, data or mask.
    """
    name = os.fspath(journal)
    if every < 1:
        raise CertifyError(f"every must be at least 1, received {every}")
    lines = read_lines(journal, chained=False)
    head = next(lines, None)
    if head is None or not is_proof(head.value):
        raise CertifyError(f"{name} is no journal of proofs; nothing to audit")
    found = head.value
    job, problem = _open(found, model, mask, name)
    expected = job_header(problem, job, data, corners)
    for key, what in _ABOUT:
        if found.get(key) != expected.get(key):
            raise CertifyError(f"{name} was made with another {what}; audit it with its own {what}")
    if found.get("chain") != chain("", found):
        yield Finding(1, -1, "the header was edited or damaged (its chain does not match)")
    different = [key for key in expected if found.get(key) != expected[key]]
    if different:
        yield Finding(1, -1, f"the header does not say what this job is: {', '.join(different)}")
    if unknown := sorted(found.keys() - expected.keys() - _OF_JOURNALS):
        yield Finding(1, -1, f"the header has unknown fields: {', '.join(unknown)}")
    planned = {index for part in planned_indices(found) for index in part}
    previous = str(found.get("chain"))
    seen: set[int] = set()
    for line in lines:
        value = line.value
        reasons = []
        if value.get("chain") != chain(previous, value):
            reasons.append("its chain does not follow from the line before")
        previous = str(value.get("chain"))
        if CLOSED in value:
            if seen != planned or value[CLOSED] != len(seen):
                reasons.append("the journal is closed, but its lines are not the planned images")
            yield Finding(line.number, -1, "; ".join(reasons))
            continue
        if "index" in value and (line.number - 2) % every == 0:
            reasons += _wrong(problem, job, data, value, corners)
        index = value.get("index")
        if type(index) is not int or index not in planned or index in seen:
            reasons.append(f"image {index!r} was not planned, or comes twice")
        else:
            seen.add(index)
        yield Finding(line.number, index if type(index) is int else -1, "; ".join(reasons))


def unfinished(journal: str | os.PathLike[str], what: str = "images") -> str:
    """Return what a journal of proofs or bounds lacks of its plan, in words; empty if nothing."""
    head, *lines = (line.value for line in read_lines(journal, chained=False))
    found = {line["index"] for line in lines if type(line.get("index")) is int}
    missing = sum(index not in found for part in planned_indices(head) for index in part)
    if missing:
        return f"{missing} planned {what} are missing"
    return "" if any(CLOSED in line for line in lines) else "the closing line is missing"


def _open(
    found: dict[str, Any], model: bytes, mask: bytes | None, name: str
) -> tuple[ProofJob, Problem]:
    try:
        job = ProofJob(
            model=model,
            region=str(found["region"]),
            method=str(found["method"]),
            budget=int(found["budget"]),
            kernels=str(found["kernels"]),
            mask=mask,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CertifyError(f"the header of {name} is damaged ({error!r})") from None
    if hashlib.sha256(model).hexdigest() != found.get("model_sha256"):
        raise CertifyError(f"{name} was made with another model; audit it with its own model")
    return job, Problem(model, kernels=job.kernels)


def _wrong(
    problem: Problem, job: ProofJob, data: Data, value: dict[str, Any], corners: Corners | None
) -> list[str]:
    """What is wrong with a line."""
    try:
        line = ProofLine.from_json(value, problem.domain)
    except CertifyError as error:
        return [str(error)]
    if not 0 <= line.index < len(data):
        return [f"the data has no image {line.index}"]
    x = problem.picture(data.x[line.index])
    if line.input_sha256 != picture_sha256(x):
        return ["it is about another input"]
    if line.y != data.label(line.index):
        return [f"its true class is {line.y}, the data says {data.label(line.index)}"]
    predicted = int(problem.predictor.labels(x[None])[0])
    if line.outcome.predicted != predicted:
        return [f"the file labels the image {predicted}, not {line.outcome.predicted}"]
    region, method, _ = job.chosen(problem)
    try:
        image = image_of(problem, data, line.index, corners)
    except CertifyError as error:
        return [str(error)]
    region = region if image.box is None else image.box
    if line.outcome.method != method:
        return [f"it was made by {line.outcome.method}, the header says {method}"]
    if method == BRANCHING and line.outcome.members is not None:
        return [f"members is {line.outcome.members}; a box that is cut has none"]
    if method == BRANCHING and line.outcome.status == PROVEN:
        try:
            wrong = check_tree(problem, line.outcome.tree, region.box(x, problem.domain), predicted)
        except CertifyError as error:
            wrong = str(error)
        return [wrong] if wrong else []
    if line.outcome.status == REFUTED and line.outcome.counterexample is not None:
        wrong = _not_refuting(problem, region, x, line.outcome.counterexample, predicted)
        if wrong or method == BRANCHING:
            return [wrong] if wrong else []
    if method == BRANCHING:
        return []
    # What float64 sums decide may take other ways on another machine; what was proven stays so.
    free = (*_FREE, "inferences", "boxes", "counterexample") if method == SUBSETS else _FREE
    again = prove_image(problem, job, image).to_json()
    return [
        f"{key} is {value.get(key)}, a re-run gives {again.get(key)}"
        for key in sorted((again.keys() | value.keys()) - set(free))
        if again.get(key) != value.get(key)
    ]


def _not_refuting(
    problem: Problem, region: Region, x: Picture, found: Counterexample, predicted: int
) -> str:
    if isinstance(region, FamilyOf):
        family = problem.family(region.text)
        if not 0 <= found.member < family.size:
            return f"the family has no member {found.member}"
        (member,) = family.apply(x, np.array([found.member]))
        if (member != found.picture).any():
            return f"its counterexample is not member {found.member} of the family"
    elif (found.member, found.name) != (-1, ""):
        return f"its counterexample is member {found.member} of something; the region is no family"
    elif isinstance(region, PixelChanges):
        if changed_pixels(x, found.picture) > region.count:
            return f"its counterexample changes more than {region.count} pixels"
    elif not region.box(x, problem.domain).holds(found.picture):
        return "its counterexample lies outside the region"
    label = int(problem.predictor.labels(found.picture[None])[0])
    if label != found.label or label == predicted:
        return f"the file labels its counterexample {label}"
    return ""
