"""``qrobust train``."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from qrobust.quiet import quiet_imports

HELP = "train what a recipe says, export and certify it, and write its card"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="for the results (default: the recipe's folder)"
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="DIR",
        help="for training curves and the last checkpoint (default: DIR/log)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="take up an interrupted training from its log"
    )


def run(args: argparse.Namespace) -> int:
    """Train, export, compare, certify, write the card."""
    from qrobust.training.recipe import read_recipe

    recipe = read_recipe(args.recipe)
    out = args.out or args.recipe.parent
    log = args.log or out / "log"
    with quiet_imports():
        from qrobust.training.train import publish, train
    try:
        trained = train(recipe, data=args.data, log=log, resume=args.resume)
    except KeyboardInterrupt:
        print(
            f"interrupted; the last checkpoint is in {log}; --resume takes it up", file=sys.stderr
        )
        return 130
    with tempfile.TemporaryDirectory() as folder:
        write = _write_float if recipe.quantization.is_float else _write
        text = write(recipe, trained, Path(folder))
        publish(sorted(Path(folder).iterdir()), out)
    print(text)
    return 0


def _write(recipe: Any, trained: Any, folder: Path) -> str:
    """Export, compare and certify; model, file, certificates and card go into ``folder``."""
    from tqdm import tqdm

    from qrobust.certify import Job, SmoothingSpec, attach_spec, certify_dataset, make_data
    from qrobust.training.attacked import attacked
    from qrobust.training.card import card
    from tflite_export import check_parity, export

    test, settings = trained.dataset.test, recipe.certification
    exported = export(trained.model, labels=trained.dataset.class_names)
    parity = check_parity(trained.model, exported, test.x[: max(200, settings.images)])
    trained.model.save(folder / "model.keras")
    tflite, certificates = exported.tflite, []
    if settings.images:
        labels = tuple(trained.dataset.class_names)
        spec = SmoothingSpec.for_model(tflite, sigma=recipe.defence.sigma, labels=labels)
        tflite = attach_spec(tflite, spec)
        job = Job(
            model=tflite, seed=recipe.seed, n0=settings.n0, n=settings.n, alpha=settings.alpha
        )
        data = make_data(test.x[: settings.images], test.y[: settings.images])
        results = certify_dataset(job, data, out=folder / "certificates.jsonl")
        certificates = list(tqdm(results, desc="certifying", total=len(data), unit="image"))
        (folder / "certificates.jsonl").unlink()
    (folder / "model.tflite").write_bytes(tflite)
    facts = {
        "accuracy": trained.accuracy,
        "train_images": len(trained.dataset.train.x),
        "test_images": len(test.x),
        "pixels": test.x.dtype == "uint8",
        "unit": trained.dataset.unit,
        "attacked": attacked(trained.model, tflite, test, recipe.attack),
    }
    text = card(recipe, exported, parity, certificates, facts)
    (folder / "card.md").write_text(text)
    return text


def _write_float(recipe: Any, trained: Any, folder: Path) -> str:
    """A float twin: there is no file to export, so its copies are classified in Keras."""
    from qrobust.callbacks import CertifiedAccuracy
    from qrobust.training.card import float_card

    trained.model.save(folder / "model.keras")
    test, settings = trained.dataset.test, recipe.certification
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
    text = float_card(recipe, trained.accuracy, callback.certify())
    (folder / "card.md").write_text(text)
    return text
