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
from qrobust.attacks import LINF, Budget, KerasTarget, standard_worst_case
from qrobust.certify import Job, Settings, certify_dataset, make_data, read_certificates
from qrobust.certify.file.model_file import KERNELS, load_model
from qrobust.load_keras import load_keras

Found = dict[str, Any]


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
    grid = subject.target.grid
    source = (
        Twin(subject.tflite or b"", grid=grid)
        if row.through is None
        else KerasTarget(load_keras(row.through), grid=grid, name=row.through.name)
    )
    x = subject.on_grid(subject.x)
    alike = float((source.logits(x).argmax(1) == subject.logits(subject.x).argmax(1)).mean())
    left, each = {}, {}
    for epsilon in settings["epsilons"]:
        # The whole steps of the grid that lie in the ball of pixels.
        budget = Budget(epsilon / subject.step, LINF)
        found = standard_worst_case(subject.target, x, subject.y, budget, surrogate=source, seed=0)
        left[f"{epsilon:g}"] = found.left.tolist()
        each[f"{epsilon:g}"] = {attack.name: (~attack.fallen).tolist() for attack in found.attacks}
    return {"right": left, "each": each, "alike": alike}


#: What is judged, the quick parts first: name -> (how, version, the settings it depends on).
PARTS: dict[str, tuple[Callable[..., Found], str, tuple[str, ...]]] = {
    "clean": (clean, "1; XNNPACK, optimized and reference kernels", ()),
    "corrupted": (corrupted, CORRUPTIONS, ()),
    "certified": (certified, "1; sequential_early", ("sigma", "radii", "n0", "n")),
    "attacked": (attacked, "1; standard worst case", ("epsilons",)),
}
