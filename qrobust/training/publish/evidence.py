"""What a published model is judged by: the comparison of the runtimes, and certificates."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.datasets import Split
from qrobust.training.publish.summary import Certified, CertifiedShare, Compared
from qrobust.training.recipe import Recipe

JOURNAL = "certificates.jsonl"
DATA = "data.npz"


def compare(model: Any, exported: Any, inputs: Any, *, allow_missing: Collection[str]) -> Compared:
    """Compare all runtimes; nothing may differ, and none may be missing unless allowed by name.

    Args:
        model: the Keras model.
        exported: its export.
        inputs: integers on the input grid.
        allow_missing: runtimes that need not be there.

    Raises:
        ValueError: integers differ, a runtime is missing, or a name is no runtime's.
    """
    import tflite_export
    from tflite_export.runtimes import RUNTIMES

    unknown = sorted(set(allow_missing) - RUNTIMES.keys())
    if unknown:
        raise ValueError(
            f"allow_missing names runtimes: {', '.join(RUNTIMES)}. Received: {unknown[0]!r}"
        )
    parity = tflite_export.check_parity(model, exported, inputs)
    if not parity.is_exact:
        raise ValueError(
            f"the exported file differs from the model; nothing is published: {parity}"
        )
    for name, why in parity.skipped.items():
        if name not in allow_missing:
            raise ValueError(
                f"{name} was not compared ({why}), so nothing is published. Install it, or allow "
                f"it to be missing: --allow-missing '{name}', or in the recipe [parity] "
                f'allow_missing = ["{name}"]'
            )
    return Compared(parity.inputs, parity.integers, parity.differing, parity.skipped)


@dataclass(frozen=True)
class Certificates:
    """Certificates of the first test examples.

    Attributes:
        all: every one, in the order of the images.
        certified: what they say.
        votes_per_second: of those that were made now; None where all were at hand.
    """

    all: tuple[Any, ...]
    certified: Certified
    votes_per_second: int | None


def certify(recipe: Recipe, tflite: bytes, test: Split, log: Path) -> Certificates:
    """Certify the first test examples; those that the log holds already are kept.

    Leaves ``certificates.jsonl`` and ``data.npz``, what they are about, in ``log``.
    """
    from tqdm import tqdm

    from qrobust.certify import Job, certify_dataset, make_data, read_certificates

    asked = recipe.certification
    job = Job(tflite, asked.settings)
    x, y = test.x[: asked.images], test.y[: asked.images]
    log.mkdir(parents=True, exist_ok=True)
    np.savez(log / DATA, x=x, y=y)
    started, samples = time.perf_counter(), 0
    made = certify_dataset(job, make_data(x, y), out=log / JOURNAL)
    for certificate in tqdm(made, desc="certifying", total=len(x), unit="image"):
        samples += certificate.samples
    seconds = time.perf_counter() - started
    found = sorted(read_certificates(log / JOURNAL), key=lambda c: c.index)
    return Certificates(
        tuple(found), certified(recipe, found), round(samples / seconds) if samples else None
    )


def certified(recipe: Recipe, certificates: Any) -> Certified:
    """What certificates of a file say at the recipe's radii."""
    from qrobust.certify.report.summary import Summary

    asked, said = recipe.certification, Summary(certificates)
    shares = tuple(
        CertifiedShare(float(share.radius), share.certified, share.images)
        for share in said.shares([str(radius) for radius in asked.radii])
    )
    return Certified(
        sigma=recipe.noise,
        images=len(certificates),
        settings=asked.settings.to_json(),
        classifier="the file",
        shares=shares,
        abstained=said.abstained,
    )


def certify_float(recipe: Recipe, model: Any, test: Split) -> Certified:
    """A float twin has no file to certify: its copies are classified in Keras."""
    from qrobust.callbacks import CertifiedAccuracy

    asked = recipe.certification
    callback = CertifiedAccuracy(
        test.x[: asked.images],
        test.y[: asked.images],
        radii=asked.radii,
        sigma=recipe.noise,
        settings=asked.settings,
        seed=recipe.seed,
    )
    callback.set_model(model)
    shares = tuple(
        CertifiedShare(float(share.radius), share.certified, share.images)
        for share in callback.shares()
    )
    return Certified(
        sigma=recipe.noise,
        images=shares[0].of,
        settings=asked.settings.to_json(),
        classifier="classified in float32 by Keras",
        shares=shares,
    )
