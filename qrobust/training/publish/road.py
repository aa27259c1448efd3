"""The one road from a recipe to a published model: train, export, compare, certify, attack, card.

``qrobust train`` and ``qrobust quickstart`` are shells around it.
"""

import hashlib
import platform
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.training.log import finish
from qrobust.training.members import in_words
from qrobust.training.publish import evidence
from qrobust.training.publish.attacked import attacked
from qrobust.training.publish.card import card
from qrobust.training.publish.check_runtimes import check_runtimes
from qrobust.training.publish.corrupted import corrupted
from qrobust.training.publish.device_memory import device_memory
from qrobust.training.publish.files import put_files
from qrobust.training.publish.proofs import proofs
from qrobust.training.publish.proven import proven
from qrobust.training.publish.summary import (
    FILE,
    Data,
    ModelFile,
    ModelSummary,
    Network,
    Proportion,
    write_summary,
)
from qrobust.training.recipe import Recipe, read_recipe
from qrobust.training.train import Trained, load_data, right_answers, train
from tflite_export.atomic import replacing, write_bytes, write_text

MODEL, TFLITE, CARD = "model.keras", "model.tflite", "card.md"

_PACKAGES = ("qrobust", "keras", "tensorflow", "qkeras-v3", "ai-edge-litert", "numpy")


@dataclass(frozen=True)
class Published:
    """What a recipe gave.

    Attributes:
        summary: what the card says.
        card: the card.
        certificates: of the first test examples.
        tflite: the file's bytes; None for a float twin.
    """

    summary: ModelSummary
    card: str
    certificates: tuple[Any, ...]
    tflite: bytes | None


def folders(recipe: Path, out: Path | None, log: Path | None) -> tuple[Path, Path]:
    """Where results and logs of a recipe go unless told otherwise.

    Results go to the recipe's folder; those of twins beside it, ``float.toml``, to a folder of
    their own, ``float/``. Logs go to ``OUT/log``.
    """
    default = recipe.parent if recipe.stem == "recipe" else recipe.parent / recipe.stem
    out = out or default
    return out, log or out / "log"


def run_recipe(
    path: Path,
    *,
    data: str | None = None,
    out: Path | None = None,
    log: Path | None = None,
    resume: bool = False,
    trained: bool = False,
    allow_code: bool = False,
    allow_missing: Collection[str] = (),
    baseline: ModelSummary | None = None,
    command: str | None = None,
    started: float | None = None,
    recipe: Recipe | None = None,
) -> Published:
    """Train what a recipe says and publish it.

    Args:
        path: the recipe.
        data: folder of the data sets.
        out: for the results, see `folders`.
        log: for curves, checkpoints and certificates on the way, see `folders`.
        resume: take up an interrupted training from its log.
        trained: do not train: publish ``OUT/model.keras`` again.
        allow_code: import what the recipe names as ``module:function``.
        allow_missing: runtimes that need not be there, beside those that the recipe allows.
        baseline: the same network without the defence, for the card.
        command: for the card; that of ``qrobust train`` by default.
        started: when the work began, as ``time.perf_counter`` said; now by default.
        recipe: what was read from ``path``, where that is done already.

    Raises:
        ValueError: what `train` or `publish` refuse.
    """
    started = time.perf_counter() if started is None else started
    recipe = read_recipe(path, allow_code=allow_code) if recipe is None else recipe
    allowed = (*recipe.parity.allow_missing, *allow_missing)
    recipe = replace(recipe, parity=replace(recipe.parity, allow_missing=allowed))
    out, log = folders(path, out, log)
    if not recipe.quantization.is_float:
        check_runtimes(allowed)
    if trained:
        made = _load(recipe, out / MODEL, data, allow_code=allow_code)
    else:
        made = train(recipe, data=data, log=log, resume=resume, allow_code=allow_code)
    options = [
        option for option, given in (("--trained", trained), ("--allow-code", allow_code)) if given
    ]
    published = publish(
        recipe,
        made,
        out=out,
        log=log,
        data=data,
        command=command or " ".join(["qrobust train", path.name, *options]),
        baseline=baseline,
        started=started,
    )
    if not trained:
        finish(log)
    return published


def _load(recipe: Recipe, path: Path, data: str | None, *, allow_code: bool) -> Trained:
    from qrobust.load_keras import load_keras

    model, dataset = load_keras(path), load_data(recipe, data, allow_code=allow_code)
    return Trained(model, dataset, right_answers(model, dataset.test))


def publish(
    recipe: Recipe,
    trained: Trained,
    *,
    out: Path,
    log: Path,
    command: str,
    data: str | None = None,
    baseline: ModelSummary | None = None,
    started: float | None = None,
) -> Published:
    """Export, compare, certify, attack, and put everything into ``out`` at once.

    Writes ``model.keras``, ``summary.json``, ``card.md``, and of a quantized model ``model.tflite``
    and, where certificates are asked for, ``certificates.jsonl``.

    Args:
        recipe: what was asked for.
        trained: what training gave.
        out: the folder to publish in.
        log: keeps certificates on the way, and the data they are about.
        command: for the card.
        data: folder of the data sets, for sound that is corrupted before its features.
        baseline: the same network without the defence, for the card.
        started: when the work began, for the summary, as ``time.perf_counter`` said.

    Raises:
        ValueError: integers differ, or a runtime is missing that the recipe does not allow to be.
    """
    parts: dict[str, Any] = {}
    certificates: tuple[Any, ...] = ()
    tflite = None
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if recipe.quantization.is_float:
            if recipe.certification.images:
                parts["certified"] = evidence.certify_float(
                    recipe, trained.model, trained.dataset.test
                )
        else:
            tflite, parts, certificates = _exported(recipe, trained, log)
            write_bytes(folder / TFLITE, tflite)
            parts["tables"] += corrupted(recipe, tflite, trained.dataset.test, data)
            if certificates:
                with replacing(folder / evidence.JOURNAL) as beside:
                    shutil.copyfile(log / evidence.JOURNAL, beside)
        with replacing(folder / MODEL) as beside:
            trained.model.save(beside)
        summary = _summary(recipe, trained, command, parts, baseline)
        if started is not None:
            summary = replace(summary, seconds=round(time.perf_counter() - started, 1))
        text = card(summary)
        write_summary(summary, folder / FILE)
        write_text(folder / CARD, text)
        put_files(sorted(folder.iterdir()), out)
    return Published(summary, text, certificates, tflite)


def _exported(
    recipe: Recipe, trained: Trained, log: Path
) -> tuple[bytes, dict[str, Any], tuple[Any, ...]]:
    """The file, what there is to say about it, and its certificates."""
    from qrobust.certify import attach_spec
    from tflite_export import export

    test, asked = trained.dataset.test, recipe.certification
    parts: dict[str, Any] = {}
    exported = export(trained.model, labels=trained.dataset.class_names)
    inputs = test.x[: max(recipe.parity.inputs, asked.images)]
    parts["compared"] = evidence.compare(
        trained.model, exported, inputs, allow_missing=recipe.parity.allow_missing
    )
    tflite: bytes = exported.tflite
    certificates: tuple[Any, ...] = ()
    if asked.images:
        tflite = attach_spec(tflite, _spec(recipe, tflite, trained.dataset))
        made = evidence.certify(recipe, tflite, test, log)
        certificates = made.all
        parts |= {"certified": made.certified, "votes_per_second": made.votes_per_second}
    parts["file"] = model_file(tflite, exported.report)
    parts["attacks"] = attacked(trained.model, tflite, test, recipe.attack)
    parts["tables"] = proofs(trained.model, tflite, test, recipe.proof)
    parts["tables"] += proven(tflite, test, recipe.verify)
    return tflite, parts, certificates


def _spec(recipe: Recipe, tflite: bytes, dataset: Any) -> Any:
    """How the file is smoothed: as its network was trained."""
    from qrobust.certify import SmoothingSpec

    defence, labels = recipe.defence, tuple(dataset.class_names)
    if not defence.counts:
        return SmoothingSpec.for_model(tflite, sigma=recipe.noise, labels=labels, unit=dataset.unit)
    return SmoothingSpec.for_views(
        tflite,
        defence.noise,
        defence.size,
        threshold=defence.threshold,
        labels=labels,
        unit=dataset.unit,
    )


def model_file(tflite: bytes, report: Any) -> ModelFile:
    """What there is to say about a file.

    Args:
        tflite: as published, smoothing spec included.
        report: of the export that it came from.
    """
    return ModelFile(
        bytes=len(tflite),
        sha256=hashlib.sha256(tflite).hexdigest(),
        macs=report.macs,
        memory=device_memory(tflite),
        layers=str(replace(report, file_bytes=len(tflite))),
    )


def _summary(
    recipe: Recipe,
    trained: Trained,
    command: str,
    parts: Mapping[str, Any],
    baseline: ModelSummary | None,
) -> ModelSummary:
    dataset, bits = trained.dataset, recipe.quantization
    if recipe.network.members:
        network = Network(*in_words(trained.model))
    else:
        named = recipe.network.name or Path(recipe.network.model).name
        network = Network(named, _bits(bits.weight_bits), _bits(bits.activation_bits))
    return ModelSummary(
        name=recipe.name,
        command=command,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        versions={
            "Python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        data=Data(
            name=recipe.data.name,
            train_images=len(dataset.train.x),
            test_images=len(dataset.test.x),
            unit=dataset.unit,
            span=255 if dataset.test.x.dtype == np.uint8 else None,
        ),
        network=network,
        clean=Proportion(trained.right, len(dataset.test.x)),
        why_not_certified="" if "certified" in parts else why_not_certified(recipe),
        notes=recipe.notes,
        baseline=baseline,
        **parts,
    )


def why_not_certified(recipe: Recipe) -> str:
    """Why a card has no certificates, in words, by how its network was trained."""
    if recipe.defence.sigma or recipe.defence.counts:
        return "none asked for"
    if recipe.data.sound_noise:
        return (
            f"none of its features: trained with noise on the sound, sigma "
            f"{recipe.data.sound_noise:g}/128 of full scale; of sound see `qrobust.SoundCertifier`"
        )
    return "none: trained without noise"


def _bits(bits: Any) -> str:
    if not isinstance(bits, Mapping):
        return str(bits)
    return ", ".join(f"{name}: {width}" for name, width in bits.items())
