"""Trains, exports, compares, certifies and reports; the command behind ``qrobust quickstart``."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.keras import TqdmCallback

from qrobust import certify
from qrobust.certify import (
    Certificate,
    Certifier,
    Job,
    SmoothingSpec,
    attach_spec,
    certify_dataset,
    make_data,
)
from qrobust.datasets import digits
from qrobust.quickstart.figures import certified_accuracy_figure, votes_figure
from qrobust.quickstart.network import Defence, train
from qrobust.quickstart.report import markdown, radius_table
from tflite_export import Exported, check_parity, export
from tflite_export.atomic import replacing, write_bytes, write_text


@dataclass(frozen=True)
class Settings:
    """What the quickstart does; written into its summary.

    Attributes:
        sigma: noise in pixel steps, in training and in certification.
        jacobian: weight of the per-layer Jacobian penalty.
        weight_bits: of weights and activations.
        epochs: of training.
        images: held-out digits to certify.
        n0: noisy copies that choose the class.
        n: noisy copies that bound its probability.
        alpha: error probability of a certificate.
        seed: of everything random.
    """

    sigma: int = 64
    jacobian: float = 1e-4
    weight_bits: int = 4
    epochs: int = 30
    images: int = 200
    n0: int = 100
    n: int = 10_000
    alpha: str = "0.001"
    seed: int = 0


_RADII = (0, 32, 64, 96, 128, 160)
_PICTURED = 8


def quickstart(out: Path, settings: Settings) -> dict[str, Any]:
    """Run the whole road and write everything into ``out``.

    Writes model.keras, model.tflite, certificates.jsonl, data.npz, report.md, report.png,
    votes.png, summary.json, and the undefended network's baseline.tflite and
    baseline_certificates.jsonl.

    Returns:
        The content of summary.json.

    Raises:
        FileExistsError: ``out`` already holds something.
    """
    started = time.perf_counter()
    _make_folder(out)
    data = digits(settings.seed)
    with replacing(out / "data.npz") as beside:
        np.savez(beside, x=data.test.x[: settings.images], y=data.test.y[: settings.images])

    defended = _train("defended", Defence(settings.sigma, settings.jacobian), data, settings)
    baseline = _train("undefended", Defence(0, 0), data, settings)
    with replacing(out / "model.keras") as beside:
        defended.save(beside)
    exported = export(defended, labels=data.class_names)
    parity = check_parity(defended, exported, data.test.x)
    print(parity)

    model = _smoothed(exported, settings, data)
    write_bytes(out / "model.tflite", model)
    baseline_model = _smoothed(export(baseline), settings, data)
    write_bytes(out / "baseline.tflite", baseline_model)

    clock = time.perf_counter()
    certificates = _certify("defended", model, data.test, out / "certificates.jsonl", settings)
    seconds = time.perf_counter() - clock
    undefended = _certify(
        "undefended", baseline_model, data.test, out / "baseline_certificates.jsonl", settings
    )
    summary = {
        "settings": asdict(settings),
        "clean_accuracy": _accuracy(defended, data.test),
        "baseline_clean_accuracy": _accuracy(baseline, data.test),
        "test_images": len(data.test.x),
        "certified_images": len(certificates),
        "certified_accuracy": _certified_accuracy(certificates),
        "baseline_certified_accuracy": _certified_accuracy(undefended),
        "parity": parity.differing,
        "parity_skipped": parity.skipped,
        "inputs_compared": parity.inputs,
        "integers_compared": parity.integers,
        "model_bytes": len(model),
        "votes_per_second": round(sum(c.samples for c in certificates) / seconds),
        "seconds": round(time.perf_counter() - started, 1),
    }
    certified_accuracy_figure(
        {"defended": certificates, "undefended": undefended},
        out / "report.png",
        sigma=settings.sigma,
        n=settings.n,
        alpha=settings.alpha,
    )
    with Certifier(model) as certifier:
        votes_figure(
            data.test.x[:_PICTURED],
            certificates[:_PICTURED],
            out / "votes.png",
            certifier=certifier,
        )
    write_text(out / "report.md", markdown(summary, str(exported.report)))
    write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    _print_result(summary, out)
    return summary


def _make_folder(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(
            f"'{out}' is not empty. Give --out another folder, or remove this one first."
        )


def _train(name: str, defence: Defence, data: Any, settings: Settings) -> Any:
    bar = TqdmCallback(verbose=0, desc=f"training, {name}", leave=True)
    return train(
        defence,
        data.train,
        bits=settings.weight_bits,
        epochs=settings.epochs,
        seed=settings.seed,
        callbacks=[bar],
    )


def _smoothed(exported: Exported, settings: Settings, data: Any) -> bytes:
    """The file with its smoothing spec inside, so that the file alone can be certified."""
    spec = SmoothingSpec.for_model(
        exported.tflite, sigma=settings.sigma, labels=tuple(data.class_names), unit=data.unit
    )
    return attach_spec(exported.tflite, spec)


def _certify(
    name: str, model: bytes, data: Any, journal: Path, settings: Settings
) -> list[Certificate]:
    job = Job(model, certify.Settings(n0=settings.n0, n=settings.n, alpha=settings.alpha))
    images = make_data(data.x[: settings.images], data.y[: settings.images])
    results = certify_dataset(job, images, out=journal)
    return list(tqdm(results, desc=f"certifying, {name}", total=settings.images, unit="digit"))


def _accuracy(model: Any, data: Any) -> float:
    predicted = model.predict(data.x.astype("float32"), verbose=0).argmax(-1)
    return float(np.mean(predicted == data.y))


def _certified_accuracy(certificates: Sequence[Certificate]) -> dict[str, float]:
    """Share of images whose true class is certified at each radius, in pixel steps."""
    return {
        str(radius): float(np.mean([bool(c.correct) and c.radius >= radius for c in certificates]))
        for radius in _RADII
    }


def _print_result(summary: dict[str, Any], out: Path) -> None:
    print(
        f"\nclean accuracy {summary['clean_accuracy']:.1%} on {summary['test_images']} held-out "
        f"digits (undefended {summary['baseline_clean_accuracy']:.1%}), "
        f"{summary['model_bytes']:,} bytes\n"
        f"certified accuracy of {summary['certified_images']} held-out digits, "
        f"n = {summary['settings']['n']:,}, alpha = {summary['settings']['alpha']}:\n"
    )
    print(radius_table(summary, style="simple"))
    print(
        f"\n{summary['votes_per_second']:,} votes per second; "
        f"{summary['seconds']:.0f} seconds in all; report in {out / 'report.md'}"
    )
    print(
        f"check it: qrobust audit {out / 'certificates.jsonl'} {out / 'model.tflite'} "
        f"{out / 'data.npz'}"
    )
