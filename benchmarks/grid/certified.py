"""Certificates: sequential tests at two radii, of the file, or of a float cell's Keras model."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from grid.subject import Subject
from qrobust import keras_certifier
from qrobust.certify import Job, Settings, certify_dataset, make_data, read_certificates

VERSION = "sequential_early tests; a float cell's copies are classified by Keras in float32"


def certified(subject: Subject) -> dict[str, Any]:
    """Which images are certified to their class, by radius."""
    cell = subject.cell
    found = {}
    for radius in cell.settings["radii"]:
        settings = Settings(
            method="sequential_early",
            n0=cell.grid["n0"],
            n=cell.grid["n"],
            alpha=cell.grid["alpha"],
            radius=radius,
        )
        path = subject.folder / f"certificates_{radius}.jsonl"
        for _ in tqdm(_made(subject, settings, path), desc=f"at {radius}", total=len(subject.x)):
            pass
        made = sorted(read_certificates(path), key=lambda certificate: certificate.index)
        # Its label is ABSTAIN, no class, where the test does not reach the radius.
        found[radius] = [bool(certificate.correct) for certificate in made]
    return {"right": found}


def _made(subject: Subject, settings: Settings, path: Path) -> Any:
    """Certificates as they are made; the journal resumes. Files and models see the same noise."""
    sigma = str(subject.cell.settings["sigma"])
    data = make_data(subject.x, subject.y)
    if subject.tflite is None:
        low = -128 if subject.x.dtype.kind == "i" else 0
        certifier = keras_certifier(subject.model, sigma=sigma, step=1.0, low=low)
        return certifier.certify_dataset(data, out=path, settings=settings)
    classes = int(subject.model.output_shape[-1])
    job = Job(subject.tflite, settings, sigma=sigma, classes=classes, trusted=True)
    return certify_dataset(job, data, out=path)
