"""Certificates: sequential tests at two radii, of the file, or of a float cell's Keras model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from grid.subject import Subject
from qrobust.callbacks import CertifiedAccuracy
from qrobust.callbacks.keras_draws import KerasDraws
from qrobust.certify import Job, Settings, certify_dataset, make_data, read_certificates
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.make_method import make_method

VERSION = "sequential tests; a float cell's copies are classified by Keras in float32"


def certified(subject: Subject) -> dict[str, Any]:
    """Which images are certified to their class, by radius."""
    cell = subject.cell
    found = {}
    for radius in cell.settings["radii"]:
        settings = Settings(
            method="sequential",
            n0=cell.grid["n0"],
            n=cell.grid["n"],
            alpha=cell.grid["alpha"],
            radius=radius,
        )
        holds = _by_file if subject.tflite is not None else _by_keras
        found[radius] = list(holds(subject, settings))
    return {"right": found}


def _by_file(subject: Subject, settings: Settings) -> list[bool]:
    """Of the file; the journal resumes."""
    cell = subject.cell
    job = Job(
        subject.tflite or b"",
        settings,
        sigma=str(cell.settings["sigma"]),
        classes=int(subject.model.output_shape[-1]),
        trusted=True,
    )
    path = subject.folder / f"certificates_{settings.radius}.jsonl"
    made = certify_dataset(job, make_data(subject.x, subject.y), out=path)
    for _ in tqdm(made, desc=f"certifying at {settings.radius}", total=len(subject.x)):
        pass
    found = sorted(read_certificates(path), key=lambda certificate: certificate.index)
    # Its label is ABSTAIN, no class, where the test does not reach the radius.
    return [bool(certificate.correct) for certificate in found]


def _by_keras(subject: Subject, settings: Settings) -> Iterator[bool]:
    """Of a float model: the certifier's noise and bounds, Keras's answers."""
    cell = subject.cell
    callback = CertifiedAccuracy(
        subject.x, subject.y, radii=[0], sigma=cell.settings["sigma"], settings=settings
    )
    callback.set_model(subject.model)
    smoothing, shape = callback._smoothing()
    sampler = smoothing.sampler()
    for image in tqdm(range(len(subject.x)), desc=f"certifying at {settings.radius}"):
        tensor = smoothing.grid.to_tensor(subject.x[image], shape, where=f"image {image}")
        draws = KerasDraws(subject.model, smoothing, sampler, shape, tensor, image, cell.seed, 256)
        pilot = draws.votes(Purpose.PILOT, 0, settings.n0)
        right = int(np.argmax(pilot)) == int(subject.y[image])
        yield right and (
            make_method(settings, smoothing, len(pilot)).run(draws).radius_q16 != ABSTAIN
        )
