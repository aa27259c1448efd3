"""What bits cost in certified accuracy: one change at a time, from one start, on the same images.

    python benchmarks/bits.py --data DIR --state DIR [--changes FILE] [--record bits] [--tiny]

`benchmarks/bits.toml` names the changes; `bits_training.toml` others, of how the 4-bit network
learns. One float network is trained with the defence; every variant goes on from it with the same
epochs, batches and seed unless they are what changes, is exported and certified with sequential
tests (LiteRT, the file's integers; "float" is Keras's own network with as many epochs) on held-out
training images, which no training has seen. Rows: bytes, clean and certified shares, and the
difference from w4a4 in points, paired on the images, with its exact 95 % interval over images: one
seed is one network. What is done is kept under `--state` and not done again; changes that would
make it another network or another judgement are refused.
"""

import argparse
import json
import os
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import results
from grid.paired import paired_points
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm
from trained_network import trained_network

from qrobust import keras_certifier
from qrobust.certify import (
    Certificate,
    Job,
    Settings,
    certify_dataset,
    make_data,
    read_certificates,
)
from qrobust.load_keras import load_keras
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.recipe_sources import check_sources
from qrobust.training.train import load_data
from tflite_export.atomic import write_text

HERE = Path(__file__).parent
BASE = "w4a4"

#: What a variant may change of the defence, but for the noise that all are judged by; the rest is
#: bits and training.
DEFENCES = frozenset(field.name for field in fields(Defence)) - {"sigma"}
BITS = frozenset(field.name for field in fields(Quantization))


def main() -> int:
    args = arguments()
    path = args.changes or HERE / ("bits_tiny.toml" if args.tiny else "bits.toml")
    changes = tomllib.loads(path.read_text())
    args.state.mkdir(parents=True, exist_ok=True)
    begun = recipe("start", {"weight_bits": "float"}, changes, start=None)
    start = trained_network(begun, args.state, args.data)
    found = {}
    for name, change in changes["variants"].items():
        found[name] = judged(name, recipe(name, change, changes, start=start), changes, args)
    base = found[BASE]
    rows = [row(name, one, base, changes) for name, one in found.items()]
    shown = [{k: v if isinstance(v, str | int) else share(v) for k, v in r.items()} for r in rows]
    print(tabulate(shown, headers="keys", tablefmt="github"))
    results.record(args.record, counts=rows, data={path.name: path.read_bytes()}, seed=0)
    return 0


def share(value: Any) -> str:
    return f"{value['count'] / value['of']:.1%}"


def recipe(name: str, change: Any, changes: Any, *, start: Path | None) -> Recipe:
    """The recipe of one variant, or of the start."""
    change = dict(change)
    bits = {key: change.pop(key) for key in BITS if key in change}
    defence = {key: change.pop(key) for key in DEFENCES if key in change}
    training = dict(changes["training"] | change)
    if start is None:
        training |= changes["start"]
    if bits.get("weight_bits") == "float":
        training["frozen_epochs"] = 0
    weights = "" if start is None else str(start / "model.keras")
    made = Recipe(
        name=name,
        data=Data(**changes["data"]),
        network=Network(**changes["network"], weights=weights),
        defence=Defence(**changes["defence"] | defence),
        quantization=Quantization(**bits),
        training=Training(**training),
    )
    check_sources(made, name)
    return made


def judged(name: str, of: Recipe, changes: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Which images are right, and which are certified, by radius."""
    folder = trained_network(of, args.state, args.data)
    path = folder / "judged.json"
    if not path.exists():
        x, y = images(of, changes, args.data)
        model = load_keras(folder / "model.keras")
        logits = model.predict(x.astype(np.float32), batch_size=250, verbose=0)
        found: dict[str, Any] = {
            "judged": changes["judged"],
            "clean": (logits.argmax(-1) == y).tolist(),
        }
        for radius in changes["judged"]["radii"]:
            found[radius] = certified(folder, model, x, y, radius, changes)
        write_text(path, json.dumps(found) + "\n")
    kept: dict[str, Any] = json.loads(path.read_text())
    if kept["judged"] != changes["judged"]:
        raise ValueError(f"{path} was judged by other numbers: {kept['judged']}. Another --state?")
    file = folder / "model.tflite"
    kept["bytes"] = file.stat().st_size if file.exists() else 0
    print(f"{name}: {sum(kept['clean'])} of {len(kept['clean'])} right", file=sys.stderr)
    return kept


def images(of: Recipe, changes: Any, data: str | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first held-out images; of a data set without any, test images."""
    loaded = load_data(of, data)
    part = loaded.validation or loaded.test
    count = changes["judged"]["images"]
    return part.x[:count], part.y[:count]


def certified(
    folder: Path, model: Any, x: NDArray[Any], y: NDArray[Any], radius: str, changes: Any
) -> list[bool]:
    """Which images one sequential test certifies to their class."""
    of, sigma = changes["judged"], str(changes["defence"]["sigma"])
    settings = Settings(
        method="sequential_early", n0=100, n=of["n"], alpha=of["alpha"], radius=radius
    )
    path, data = folder / f"certificates_{radius}.jsonl", make_data(x, y)
    file = folder / "model.tflite"
    if file.exists():
        classes = int(model.output_shape[-1])
        job = Job(file.read_bytes(), settings, sigma=sigma, classes=classes, trusted=True)
        steps = certify_dataset(job, data, out=path)
    else:
        certifier = keras_certifier(model, sigma=sigma, step=1.0, low=0)
        steps = certifier.certify_dataset(data, out=path, settings=settings)
    for _ in tqdm(steps, desc=f"{folder.name} at {radius}", total=len(x), mininterval=10):
        pass
    kept: list[Certificate] = sorted(read_certificates(path), key=lambda one: one.index)
    return [bool(certificate.correct) for certificate in kept]


def row(name: str, found: Any, base: Any, changes: Any) -> dict[str, Any]:
    """One variant: shares, and differences from the base in points."""
    line: dict[str, Any] = {"variant": name, "bytes": found["bytes"] or ""}
    sigma = float(changes["defence"]["sigma"])
    columns = {"clean": "clean"} | {
        radius: f"certified, {float(radius) / sigma:g} sigma"
        for radius in changes["judged"]["radii"]
    }
    for key, column in columns.items():
        line[column] = results.share(sum(found[key]), len(found[key]))
        if name != BASE:
            mine, theirs = (np.asarray(one[key], bool) for one in (found, base))
            line[f"{column}: points"] = paired_points(mine, theirs)
        else:
            line[f"{column}: points"] = ""
    return line


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--state", type=Path, metavar="DIR", required=True, help="of the work")
    parser.add_argument("--changes", type=Path, metavar="FILE", help="default: bits.toml")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
