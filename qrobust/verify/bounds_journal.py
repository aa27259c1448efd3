"""Bounds on the smallest number of changed pixels, for a data set, at any time (Ruan et al. 2019).

Round 0 attacks every image: an upper bound. Round k proves, or refutes, every set of k pixels of
the images that are still open: the lower bound rises to k + 1, or the upper one falls to k. Each
step is a line of a journal, so that a run can stop after any of them and go on later; bounds never
cross and no step makes one worse. The mean of both bounds over the images is the network's global
robustness in L0.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import CLOSED, Journal, read_lines
from qrobust.certify.run.plan import ranges
from qrobust.verify.cross_examine import CrossExamination, cross_examine
from qrobust.verify.domain import Picture
from qrobust.verify.methods import check_budget
from qrobust.verify.outcome import PROVEN, REFUTED, Counterexample, Outcome
from qrobust.verify.pixels import METHOD as SUBSETS
from qrobust.verify.pixels import changed_pixels, greedy, pixels_of, prove_changes
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine, picture_sha256
from qrobust.verify.regions import PixelChanges

KIND = "pixel_bounds"


@dataclass(frozen=True)
class Step:
    """What is known of one image after one round.

    Attributes:
        image: which.
        round: 0 for the attack, else the number of pixels that were to be proven.
        lower: no fewer pixels change the label; proven.
        upper: so many do; None where no attack and no proof found any.
        label: the file's.
        inferences: runs of the file in this step.
        boxes: bounded in this step.
        witness: int16 little-endian of an input with ``upper`` changed pixels, base64.
        input_sha256: of the image.
        seconds: this step took.
    """

    image: int
    round: int
    lower: int
    upper: int | None
    label: int
    inferences: int
    boxes: int
    witness: str | None
    input_sha256: str
    seconds: float = 0.0

    @property
    def open(self) -> bool:
        """Whether more pixels have to be tried."""
        return self.upper is None or self.lower < self.upper


def bounds_header(problem: Problem, data: Data, images: int, most: int, budget: int) -> Any:
    """Return the header of a journal of bounds.

    Raises:
        CertifyError: no images, no budget, or more pixels than there are.
    """
    pixels = pixels_of(np.zeros(problem.domain.shape, np.int16))
    if not 1 <= images <= len(data):
        raise CertifyError(f"bounds of 1 to {len(data)} images, received {images}")
    if not 1 <= most <= pixels:
        raise CertifyError(f"the inputs have 1 to {pixels} pixels, received {most}")
    check_budget(budget)
    return {
        "kind": KIND,
        "model_sha256": problem.file.sha256,
        "data_sha256": data.sha256,
        "claim": "lower: no change of fewer pixels, whatever their content, changes the label; "
        "upper: the witness changes so many pixels, and it",
        "alpha": "0",
        "images": images,
        "most": most,
        "budget": budget,
        "kernels": problem.predictor.kernels,
        "indices": ranges(range(images * (most + 1))),
    }


def bound_dataset(
    problem: Problem,
    data: Data,
    *,
    out: str | os.PathLike[str],
    images: int,
    most: int,
    budget: int,
) -> Iterator[Step]:
    """Go on with a journal, or begin it; yield its steps, those of earlier runs first.

    Args:
        problem: the file.
        data: the images, of which the first ``images`` are bounded.
        out: the journal.
        images: how many.
        most: pixels that are tried in the last round.
        budget: most runs and boxes of one step.
    """
    header = bounds_header(problem, data, images, most, budget)
    with Journal(out, header) as journal:
        known: dict[int, Step] = {}
        for step in read_steps(out) if journal.done else []:
            known[step.image] = step
            yield step
        for index in range(images * (most + 1)):
            if index in journal.done:
                continue
            round_, image = divmod(index, images)
            step = take(problem, data, known.get(image), image, round_, budget)
            journal.append({"index": index, **vars(step), "seconds": round(step.seconds, 6)})
            known[image] = step
            yield step
        journal.finish()


def take(
    problem: Problem, data: Data, before: Step | None, image: int, round_: int, budget: int
) -> Step:
    """Return what one step adds to what was known of an image.

    Raises:
        CertifyError: a later round of an image that was never attacked.
    """
    started = time.perf_counter()
    x = problem.picture(data.x[image], where=f"image {image}")
    digest = picture_sha256(x)
    if round_ == 0:
        found, runs = greedy(problem, x)
        label = int(problem.predictor.labels(x[None])[0])
        step = Step(image, 0, 1, None, label, runs, 0, None, digest)
        return _witnessed(step, x, found, started)
    if before is None:
        raise CertifyError(f"image {image} was not attacked; the journal lacks its first step")
    still = replace(before, round=round_, inferences=0, boxes=0, seconds=0.0)
    # A round that was not finished leaves the next ones nothing to build on.
    if not before.open or before.lower != round_:
        return still
    outcome = prove_changes(problem, x, round_, budget=budget)
    step = replace(still, inferences=outcome.inferences, boxes=outcome.boxes)
    if outcome.status == PROVEN:
        step = replace(step, lower=round_ + 1)
    found = outcome.counterexample if outcome.status == REFUTED else None
    return _witnessed(step, x, found, started)


def _witnessed(step: Step, x: Picture, found: Counterexample | None, started: float) -> Step:
    """The step with an upper bound, where one was found that is better."""
    seconds = time.perf_counter() - started
    if found is None:
        return replace(step, seconds=seconds)
    upper = changed_pixels(x, found.picture)
    if step.upper is not None and upper >= step.upper:
        return replace(step, seconds=seconds)
    witness = base64.b64encode(found.picture.astype("<i2").tobytes()).decode()
    return replace(step, upper=upper, witness=witness, seconds=seconds)


def read_steps(path: str | os.PathLike[str]) -> list[Step]:
    """Read the steps of a journal of bounds; `CertifyError` where it is none."""
    name, (header, *lines) = os.fspath(path), (line.value for line in read_lines(path))
    if header.get("kind") != KIND:
        raise CertifyError(f"{name} is no journal of pixel bounds")
    images = header.get("images")
    if type(images) is not int or images < 1:
        raise CertifyError(f"{name}: its header plans {images!r} images")
    return [_read_step(line, images, name) for line in lines if CLOSED not in line]


def _read_step(line: dict[str, Any], images: int, name: str) -> Step:
    """A step; `CertifyError` where a field is missing, unknown, of another type or place."""
    where = f"{name}, step {line.get('index')!r}"
    if set(line) != {*Step.__dataclass_fields__, "index", "chain"}:
        raise CertifyError(f"{where}: fields are missing or unknown: {', '.join(sorted(line))}")
    whole = ["index", "image", "round", "lower", "label", "inferences", "boxes"]
    whole += [] if line["upper"] is None else ["upper"]
    if any(type(line[key]) is not int for key in whole):
        raise CertifyError(f"{where}: {', '.join(whole)} have to be whole numbers")
    if type(line["seconds"]) not in (int, float):
        raise CertifyError(f"{where}: its seconds are {line['seconds']!r}")
    if divmod(line["index"], images) != (line["round"], line["image"]):
        raise CertifyError(f"{where} is not round {line['round']} of image {line['image']}")
    return Step(**{key: line[key] for key in Step.__dataclass_fields__})


def audit_bounds(
    path: str | os.PathLike[str], problem: Problem, data: Data
) -> Iterator[tuple[int, str]]:
    """Take every step again; yield its place and what is wrong with it, nothing where it stands.

    Raises:
        CertifyError: no journal of bounds, or one of another model or other data.
    """
    lines = [line.value for line in read_lines(path)]
    header, steps = lines[0], read_steps(path)
    settings = (header.get(name) for name in ("images", "most", "budget"))
    expected = bounds_header(problem, data, *(n if type(n) is int else 0 for n in settings))
    for name, value in expected.items():
        if header.get(name) != value:
            raise CertifyError(f"{os.fspath(path)} was made with another {name}")
    if unknown := sorted(header.keys() - expected.keys() - {"format", "version", "chain"}):
        raise CertifyError(f"{os.fspath(path)}: unknown fields of its header: {', '.join(unknown)}")
    known: dict[int, Step] = {}
    for place, step in enumerate(steps):
        round_, image = divmod(place, expected["images"])
        again = take(problem, data, known.get(image), image, round_, expected["budget"])
        known[image] = again
        wrong = replace(again, seconds=0.0) != replace(step, seconds=0.0)
        yield place, f"image {image}, round {round_}: a re-run gives {again}" if wrong else ""


def attack_bounds(
    path: str | os.PathLike[str], problem: Problem, data: Data, *, seed: int = 0
) -> CrossExamination:
    """Attack every lower bound with fewer pixels than it: none may change the label.

    Images whose upper bound is known are attacked with so many pixels, as a control.

    Raises:
        CertifyError: no journal of bounds, or one of another model or other data.
    """
    header, last = next(read_lines(path)).value, {s.image: s for s in read_steps(path)}
    for name, value in (("model_sha256", problem.file.sha256), ("data_sha256", data.sha256)):
        if header.get(name) != value:
            raise CertifyError(f"{os.fspath(path)} was made with another {name}")
    if any(step.image >= len(data) for step in last.values()):
        raise CertifyError(f"{os.fspath(path)} speaks of images that the data do not have")
    parts = []
    for count in sorted(
        {s.lower - 1 for s in last.values()} | {s.upper or 0 for s in last.values()}
    ):
        lines = [_as_line(s, PROVEN) for s in last.values() if s.lower - 1 == count]
        lines += [_as_line(s, REFUTED) for s in last.values() if s.upper == count]
        if count:
            parts.append(cross_examine(problem, PixelChanges(count), data, lines, seed=seed))
    return CrossExamination(
        sum(p.attacked for p in parts),
        tuple(defect for p in parts for defect in p.defects),
        sum(p.control for p in parts),
        sum(p.fooled for p in parts),
        sum(p.inferences for p in parts),
    )


def _as_line(step: Step, status: str) -> ProofLine:
    outcome = Outcome(status, step.label, SUBSETS)
    return ProofLine(step.image, None, step.input_sha256, outcome)


def global_bounds(steps: Sequence[Step], images: int, pixels: int) -> list[tuple[float, ...]]:
    """Return (seconds, mean lower, mean upper) after each step; an upper one not found is all.

    Args:
        steps: in the order of the journal.
        images: that are bounded.
        pixels: of one of them: the upper bound that stands before any other.
    """
    lower, upper = np.ones(images), np.full(images, float(pixels))
    seconds = 0.0
    found: list[tuple[float, ...]] = []
    for step in steps:
        seconds += step.seconds
        lower[step.image] = step.lower
        upper[step.image] = pixels if step.upper is None else step.upper
        found.append((seconds, float(lower.mean()), float(upper.mean())))
    return found


def plot_bounds(points: Sequence[tuple[float, ...]], path: Path) -> None:
    """Draw both means against time; needs Matplotlib (``qrobust[report]``)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tflite_export.atomic import replacing

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    seconds, lower, upper = zip(*points, strict=True)
    axes.step(seconds, upper, where="post", label="upper: an attack changes so many")
    axes.step(seconds, lower, where="post", label="lower: proven, no fewer do")
    axes.set(xlabel="seconds", ylabel="pixels that change a label, mean", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, format="png")
