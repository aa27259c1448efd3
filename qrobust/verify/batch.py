"""Proofs for many images: a journal that resumes, workers, any executor."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import Journal
from qrobust.certify.run.parallel import ordered_map
from qrobust.certify.run.plan import ranges
from qrobust.certify.run.spec_in_force import check_label
from qrobust.verify.corners import REACH, Corners
from qrobust.verify.methods import check_budget, find, find_journaled
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import (
    INTEGER_FUNCTION,
    ProofLine,
    picture_sha256,
    proof_header,
)
from qrobust.verify.regions import (
    Box,
    EachItsBox,
    FamilyOf,
    PixelChanges,
    Region,
    make_region,
)
from qrobust.verify.verify import default_budget, default_method


@dataclass(frozen=True)
class Image:
    """One image on its way to a worker, with a box of its own where the job says so."""

    x: NDArray[Any]
    index: int
    y: int | None
    box: Box | None = None


@dataclass(frozen=True)
class ProofJob:
    """All that determines the proofs of a data set; small enough to send to workers.

    Attributes:
        model: bytes of the ``.tflite`` file.
        region: as `make_region` reads it.
        method: one of `METHODS`, or None for the region's own.
        budget: per image, or None for the method's own.
        kernels: kernel family.
        mask: bytes of a bool array of the inputs' shape: where an L-inf ball may change them.
    """

    model: bytes
    region: str
    method: str | None = None
    budget: int | None = None
    kernels: str = "xnnpack"
    mask: bytes | None = None

    def prove(self, image: Image) -> ProofLine:
        """Prove one image in this process; executors call this."""
        return prove_image(_problem(self), self, image)

    def chosen(self, problem: Problem) -> tuple[Region, str, int]:
        """Return region, method and budget, checked; `CertifyError` where they make no sense."""
        mask = None
        if self.mask is not None:
            mask = np.frombuffer(self.mask, np.bool_)
            if mask.size != problem.domain.size:
                raise CertifyError(f"the mask has {mask.size} numbers, not {problem.domain.size}")
            mask = mask.reshape(problem.domain.shape)
        region = make_region(self.region, mask)
        if isinstance(region, FamilyOf):
            region = FamilyOf(problem.family(region.text).text)
        method = default_method(region) if self.method is None else self.method
        find_journaled(method)
        budget = default_budget(method) if self.budget is None else self.budget
        return region, method, check_budget(budget)


@lru_cache(maxsize=1)
def _problem(job: ProofJob) -> Problem:
    """The open file of a worker process, made once."""
    return Problem(job.model, kernels=job.kernels)


def prove_image(problem: Problem, job: ProofJob, image: Image) -> ProofLine:
    """Prove one image with an open file."""
    region, method, budget = job.chosen(problem)
    started = time.perf_counter()
    x = problem.picture(image.x, where=f"image {image.index}")
    outcome = find(method)(problem, x, region if image.box is None else image.box, budget)
    seconds = time.perf_counter() - started
    return ProofLine(image.index, image.y, picture_sha256(x), outcome, seconds)


def job_header(
    problem: Problem, job: ProofJob, data: Data, corners: Corners | None = None
) -> dict[str, Any]:
    """Return the journal header of some data and a job; corners where each image has a box."""
    region, method, budget = job.chosen(problem)
    if isinstance(region, EachItsBox) != (corners is not None):
        raise CertifyError(f"{region.text} and boxes from a file do not go together")
    if corners is not None:
        if corners.kind != region.text:
            raise CertifyError(f"the boxes are {corners.kind}, the proofs are about {region.text}")
        corners.check(len(data), problem.domain)
    claim, norm = _claim(problem, region)
    boxes = {} if corners is None else {"corners_sha256": corners.sha256}
    return boxes | proof_header(
        model_sha256=problem.file.sha256,
        data_sha256=data.sha256,
        region=region.text,
        claim=claim,
        norm=norm,
        method=method,
        budget=budget,
        about=_about(problem),
        kernels=problem.predictor.kernels,
        mask_sha256=None if job.mask is None else hashlib.sha256(job.mask).hexdigest(),
    )


def image_of(problem: Problem, data: Data, index: int, corners: Corners | None) -> Image:
    """Return one image with its box; `CertifyError` where one is off the grid or of no class."""
    x = problem.picture(data.x[index], where=f"image {index}")
    check_label(data.label(index), index, problem.file.classes)
    box = None if corners is None else corners.of(index, x, problem.domain)
    return Image(data.x[index], index, data.label(index), box)


def _claim(problem: Problem, region: Region) -> tuple[str, str]:
    if isinstance(region, FamilyOf):
        family = problem.family(region.text)
        return f"{family.claim}; {family.size} members", "family"
    if isinstance(region, EachItsBox):
        between = "by at most its own reach" if region.text == REACH else "between its own corners"
        return f"every number changed {between}, which a file holds", "box"
    if isinstance(region, PixelChanges):
        return f"at most {region.count} pixels changed, with any content", "l0"
    where = "" if getattr(region, "mask", None) is None else " where the mask says so"
    return f"every number{where} changed by at most {region.text.split(':')[1]} LSB", "linf"


def _about(problem: Problem) -> str:
    """Inside the integer contract a proof is about integers, outside about what ran."""
    try:
        _ = problem.graph
    except CertifyError:
        return f"the {problem.predictor.kernels} kernels of LiteRT"
    return INTEGER_FUNCTION


def prove_dataset(
    job: ProofJob,
    data: Data,
    *,
    out: str | os.PathLike[str],
    indices: Iterable[int] | None = None,
    executor: Executor | None = None,
    window: int = 4,
    corners: Corners | None = None,
) -> Iterator[ProofLine]:
    """Prove images, write each line to a journal, and yield it.

    A journal that already holds some of them is resumed: those are neither repeated nor yielded.
    The header holds the planned images; a closing line says that all are done.

    Args:
        job: model, region, method, budget.
        data: the images.
        out: the journal.
        indices: which images; all by default.
        executor: runs ``job.prove``; this process by default.
        window: images in the executor's hands at a time.
        corners: where every image has a box of its own; the job's region is then theirs.

    Raises:
        CertifyError: bad data, journal or settings, or a worker that died; what the journal holds
            is kept.
    """
    chosen = list(range(len(data)) if indices is None else indices)
    problem = Problem(job.model, kernels=job.kernels)
    header = job_header(problem, job, data, corners)
    for index in chosen:
        if not 0 <= index < len(data):
            raise CertifyError(f"image {index} of {len(data)}: there is no such image")
        image_of(problem, data, index, corners)
    planned = {**header, "indices": ranges(chosen)}
    with Journal(out, planned) as journal:
        left = (index for index in chosen if index not in journal.done)
        images = (image_of(problem, data, index, corners) for index in left)
        if executor is None:
            lines: Iterator[ProofLine] = (prove_image(problem, job, image) for image in images)
        else:
            lines = ordered_map(executor, job.prove, images, window=window)
        try:
            for line in lines:
                journal.append(line.to_json())
                yield line
            journal.finish()
        except BrokenExecutor:
            raise CertifyError(
                f"a worker process died; the {len(journal.done)} lines in the journal are kept: "
                "run the same command again to go on"
            ) from None
