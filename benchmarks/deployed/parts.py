"""What is said of a file: clean and kernels, corrupted, certified, attacked."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from grid.corrupted import VERSION as CORRUPTIONS
from grid.corrupted import corrupted as corrupted_pictures
from tfmot_baseline import run_all
from tqdm import tqdm

from deployed.row import Deployed, Row
from deployed.twin import Twin
from qrobust.attacks import (
    LINF,
    Attacked,
    Budget,
    KerasTarget,
    auto_projected_gradient,
    standard_worst_case,
)
from qrobust.attacks.evaluation.transfer import show
from qrobust.attacks.ground.target import CROSS_ENTROPY, MARGIN
from qrobust.certify import Job, Settings, certify_dataset, make_data, read_certificates
from qrobust.certify.file.model_file import KERNELS, load_model
from qrobust.load_keras import load_keras

Found = dict[str, Any]
#: Of the attacks that go on to the end.
LOSSES = (CROSS_ENTROPY, MARGIN)


def clean(subject: Deployed, row: Row, settings: dict[str, Any]) -> Found:
    """Which images are right, and on how many output integers not all kernel families agree."""
    file = load_model(subject.tflite or b"")
    stored = subject.on_grid(subject.x) + file.grid.zero_point
    outputs = [run_all(file, stored.astype(file.grid.dtype), family) for family in KERNELS]
    agree = np.all([one == outputs[0] for one in outputs], axis=0)
    labels = np.array([one.argmax(1) for one in outputs])
    return {
        "right": subject.right(subject.x).tolist(),
        "differ": int((~agree).sum()),
        "integers": int(agree.size),
        "labels": int((labels != labels[0]).any(0).sum()),
        "portable": not file.not_portable,
        "step": subject.step,
    }


def corrupted(subject: Deployed, row: Row, settings: dict[str, Any]) -> Found:
    """Which images are right, by kind and strength."""
    return corrupted_pictures(subject)


def certified(subject: Deployed, row: Row, settings: dict[str, Any]) -> Found:
    """Which images one sequential test each certifies to their class, by radius in pixels."""
    data = make_data(subject.on_grid(subject.x), subject.y)
    ours = not load_model(subject.tflite or b"").not_portable
    found, votes = {}, 0
    for radius in settings["radii"]:
        asked = Settings(
            method="sequential_early",
            n0=settings["n0"],
            n=settings["n"],
            alpha="0.001",
            radius=decimal(radius / subject.step),
        )
        job = Job(
            subject.tflite or b"",
            asked,
            sigma=decimal(settings["sigma"] / subject.step),
            classes=subject.target.classes,
            trusted=ours,
        )
        path = subject.folder / f"certificates_{radius:g}_{settings['n']}_{len(subject.x)}.jsonl"
        steps = certify_dataset(job, data, out=path)
        for _ in tqdm(steps, desc=f"{row.name} at {radius:g}", total=len(data), mininterval=10):
            pass
        made = sorted(read_certificates(path), key=lambda certificate: certificate.index)
        found[f"{radius:g}"] = [bool(certificate.correct) for certificate in made]
        votes += sum(certificate.samples for certificate in made)
    return {"right": found, "votes": votes}


def decimal(value: float) -> str:
    """A size with at most four decimals, rounded up: never a smaller radius than was asked for."""
    return f"{math.ceil(round(value * 1e4, 3)) / 1e4:.4f}".rstrip("0").rstrip(".")


def attacked(subject: Deployed, row: Row, settings: dict[str, Any]) -> Found:
    """Which images stay right under every attack, at every epsilon; the file alone decides."""
    judge, grid = subject.target, subject.target.grid
    source = (
        Twin(subject.tflite or b"", grid=grid)
        if row.through is None
        else KerasTarget(load_keras(row.through), grid=grid, name=row.through.name)
    )
    x, y = subject.on_grid(subject.x), np.asarray(subject.y, np.int64)
    theirs, own = source.logits(x), judge.logits(x)
    exact = bool((theirs == own).all())
    left, each = {}, {}
    for epsilon in settings["epsilons"]:
        # The whole steps of the grid that lie in the ball of pixels.
        budget = Budget(epsilon / subject.step, LINF)
        found = standard_worst_case(judge, x, y, budget, surrogate=source, seed=0)
        attacks, right = list(found.attacks), found.left
        if not exact:
            attacks += [to_the_end(source, judge, x, y, budget, loss) for loss in LOSSES]
            right = ~np.any([attack.fallen for attack in attacks], axis=0)
        left[f"{epsilon:g}"] = right.tolist()
        each[f"{epsilon:g}"] = {attack.name: (~attack.fallen).tolist() for attack in attacks}
    alike = float((theirs.argmax(1) == own.argmax(1)).mean())
    return {"right": left, "each": each, "alike": alike, "exact": exact}


def to_the_end(source: Any, judge: Any, x: Any, y: Any, budget: Budget, loss: str) -> Attacked:
    """APGD that goes on behind the source's boundary, and its strongest points for the judge.

    The standard attacks stop at the first point where the source errs; a file that is only near the
    source may still be right there.
    """
    name = f"APGD on {loss}, to the end"
    found = auto_projected_gradient(
        source, x, y, budget, losses=(loss,), stop=False, seed=1, name=name
    )
    return show(found, judge, y)


#: What is judged, the quick parts first: name -> (how, version, the settings it depends on).
PARTS: dict[str, tuple[Callable[..., Found], str, tuple[str, ...]]] = {
    "clean": (clean, "1; XNNPACK, optimized and reference kernels", ()),
    "corrupted": (corrupted, CORRUPTIONS, ()),
    "certified": (certified, "1; sequential_early", ("sigma", "radii", "n0", "n")),
    "attacked": (
        attacked,
        "2; standard worst case; through what is not exact also APGD to the end",
        ("epsilons",),
    ),
}
