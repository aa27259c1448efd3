"""What a published model is judged by: the comparison of the runtimes, and certificates."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.datasets import Split
from qrobust.training.publish.check_runtimes import not_compared
from qrobust.training.publish.summary import Certified, CertifiedShare, Compared
from qrobust.training.recipe import Recipe
from qrobust.training.views import certified_inputs
from tflite_export.atomic import replacing

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
        ValueError: integers differ, or a runtime is missing.
    """
    import tflite_export

    parity = tflite_export.check_parity(model, exported, inputs)
    if not parity.is_exact:
        raise ValueError(
            f"the exported file differs from the model; nothing is published: {parity}"
        )
    for name, why in parity.skipped.items():
        if name not in allow_missing:
            raise ValueError(not_compared(name, "was not", why))
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

    asked, settings = recipe.certification, settings_of(recipe, tflite)
    job = Job(tflite, settings)
    x = certified_inputs(test.x[: asked.images], recipe.defence)
    y = test.y[: asked.images]
    log.mkdir(parents=True, exist_ok=True)
    with replacing(log / DATA) as beside:
        np.savez(beside, x=x, y=y)
    started, samples = time.perf_counter(), 0
    made = certify_dataset(job, make_data(x, y), out=log / JOURNAL)
    for certificate in tqdm(made, desc="certifying", total=len(x), unit="image"):
        samples += certificate.samples
    seconds = time.perf_counter() - started
    found = sorted(read_certificates(log / JOURNAL), key=lambda c: c.index)
    return Certificates(
        tuple(found),
        certified(recipe, found, settings),
        round(samples / seconds) if samples else None,
    )


def settings_of(recipe: Recipe, tflite: bytes) -> Any:
    """The settings of a file's certificates: the recipe's, or those that counting leaves no choice.

    Args:
        recipe: what was asked for.
        tflite: the file, with its smoothing spec.
    """
    from qrobust.certify.file.model_file import load_model
    from qrobust.certify.run.spec_in_force import settings_in_force, spec_in_force

    if not recipe.defence.counts:
        return recipe.certification.settings
    file = load_model(tflite)
    return settings_in_force(spec_in_force(file, None, None).smoothing(file.shape))


def certified(recipe: Recipe, certificates: Any, settings: Any) -> Certified:
    """What certificates of a file say at the recipe's radii.

    Args:
        recipe: what was asked for.
        certificates: of the first test examples.
        settings: of every one, see `settings_of`.
    """
    from qrobust.certify.report.summary import Summary

    asked, said = recipe.certification, Summary(certificates)
    shares = tuple(
        CertifiedShare(float(share.radius), share.certified, share.images)
        for share in said.shares([str(radius) for radius in asked.radii])
    )
    return Certified(
        sigma=recipe.noise,
        images=len(certificates),
        settings=settings.to_json(),
        classifier="the file",
        shares=shares,
        abstained=said.abstained,
        statements=said.statements,
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
