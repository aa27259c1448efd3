"""``qrobust train``."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from qrobust.quiet import quiet_imports
from tflite_export.atomic import replacing, write_bytes, write_text

HELP = "train what a recipe says, export and certify it, and write its card"
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for the results (default: the recipe's folder; of X.toml, the folder X beside it)",
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="DIR",
        help="for curves, checkpoints and certificates on the way (default: OUT/log)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="take up an interrupted training from its log"
    )


def run(args: argparse.Namespace) -> int:
    """Train, export, compare, certify, write the card."""
    from qrobust.training.recipe import read_recipe

    recipe = read_recipe(args.recipe)
    out = args.out or _default_out(args.recipe)
    log = args.log or out / "log"
    try:
        text = _train(args, recipe, out, log)
    except KeyboardInterrupt:
        begun = any(log.glob("*.keras"))
        hint = f"what is done is in {log}; --resume takes it up" if begun else "nothing was written"
        print(f"interrupted; {hint}", file=sys.stderr)
        return _INTERRUPTED
    print(text)
    return 0


def _default_out(recipe: Path) -> Path:
    """The recipe's folder; twins beside it, ``float.toml``, get one of their own, ``float/``."""
    return recipe.parent if recipe.stem == "recipe" else recipe.parent / recipe.stem


def _train(args: argparse.Namespace, recipe: Any, out: Path, log: Path) -> str:
    with quiet_imports():
        from qrobust.training.log import finish
        from qrobust.training.train import publish, train
    trained = train(recipe, data=args.data, log=log, resume=args.resume)
    with tempfile.TemporaryDirectory() as folder:
        write = _write_float if recipe.quantization.is_float else _write
        text = write(recipe, trained, Path(folder), log, args.recipe.name)
        publish(sorted(Path(folder).iterdir()), out)
    finish(log)
    return text


def _write(recipe: Any, trained: Any, folder: Path, log: Path, name: str) -> str:
    """Export, compare and certify; model, file and card go into ``folder``."""
    from qrobust.certify import SmoothingSpec, attach_spec
    from qrobust.training.attacked import attacked
    from qrobust.training.card import card
    from tflite_export import check_parity, export

    test, settings = trained.dataset.test, recipe.certification
    exported = export(trained.model, labels=trained.dataset.class_names)
    parity = check_parity(trained.model, exported, test.x[: max(200, settings.images)])
    if not parity.is_exact:
        raise ValueError(
            f"the exported file differs from the model; nothing is published: {parity}"
        )
    with replacing(folder / "model.keras") as beside:
        trained.model.save(beside)
    tflite, certificates = exported.tflite, []
    if settings.images:
        labels = tuple(trained.dataset.class_names)
        spec = SmoothingSpec.for_model(
            tflite, sigma=recipe.defence.sigma, labels=labels, unit=trained.dataset.unit
        )
        tflite = attach_spec(tflite, spec)
        certificates = _certified(recipe, tflite, test, log)
    write_bytes(folder / "model.tflite", tflite)
    facts = {
        "recipe": name,
        "accuracy": trained.accuracy,
        "train_images": len(trained.dataset.train.x),
        "test_images": len(test.x),
        "pixels": test.x.dtype == "uint8",
        "unit": trained.dataset.unit,
        "size": len(tflite),
        "attacked": attacked(trained.model, tflite, test, recipe.attack),
    }
    text = card(recipe, exported, parity, certificates, facts)
    write_text(folder / "card.md", text)
    return text


def _certified(recipe: Any, tflite: bytes, test: Any, log: Path) -> list[Any]:
    """Certificates of the first test examples; those that the log holds already are kept."""
    from tqdm import tqdm

    from qrobust.certify import Job, Settings, certify_dataset, make_data, read_certificates

    settings = recipe.certification
    job = Job(tflite, Settings(n0=settings.n0, n=settings.n, alpha=settings.alpha))
    data = make_data(test.x[: settings.images], test.y[: settings.images])
    journal = log / "certificates.jsonl"
    for _ in tqdm(
        certify_dataset(job, data, out=journal), desc="certifying", total=len(data), unit="image"
    ):
        pass
    return list(read_certificates(journal))


def _write_float(recipe: Any, trained: Any, folder: Path, log: Path, name: str) -> str:
    """A float twin: there is no file to export, so its copies are classified in Keras."""
    from qrobust.callbacks import CertifiedAccuracy
    from qrobust.training.card import float_card

    with replacing(folder / "model.keras") as beside:
        trained.model.save(beside)
    test, settings = trained.dataset.test, recipe.certification
    certified: Any = []
    if settings.images:
        callback = CertifiedAccuracy(
            test.x[: settings.images],
            test.y[: settings.images],
            radii=settings.radii,
            sigma=recipe.defence.sigma,
            n0=settings.n0,
            n=settings.n,
            alpha=settings.alpha,
            seed=recipe.seed,
        )
        callback.set_model(trained.model)
        certified = callback.certify()
    facts = {"recipe": name, "accuracy": trained.accuracy, "test_images": len(test.x)}
    text = float_card(recipe, certified, facts)
    write_text(folder / "card.md", text)
    return text
