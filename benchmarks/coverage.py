"""What becomes of the networks that people bring: exact, exact after a change, refused, error.

    python benchmarks/coverage.py [--models FOLDER] [--data FOLDER] [--inputs 512]
        [--only SET-OR-NAME ...] [--rows FOLDER] [--shard I/N] [--record coverage] [--tiny]

The list is `benchmarks/coverage_networks/networks.json`; every entry counts. A network is exported
as it is written; where that is not exact, ``qrobust.adopt`` (QKeras layers) or ``qrobust.quantize``
(float layers, 4 bits; 6 bits for trained ones) makes another of it. What exports is compared on
``--inputs`` fresh inputs on every runtime of this machine. "Refused" is an error of ours that names
the layer, input or model; anything else that is raised is an "error". A network that its own
framework cannot build or run, before any code of ours has seen it, is "does not run", with the
framework's error. For networks that came with
trained weights, more than 1 % of labels that change on fresh inputs is "labels change", which is
not exact after adopting. They lie in ``--models``, a folder of hls4ml's example models, MNIST in
``--data``; without these their entries are "not tried".
"""

import argparse
import json
import os
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import results
from coverage_networks import hls4ml, keras_habits, keras_networks, qkeras_examples, qkeras_tests
from coverage_networks.inputs import drawn, settle
from tabulate import tabulate
from tqdm import tqdm

import qrobust
from qrobust.datasets import mnist
from tflite_export import ExportError, check_parity, export
from tflite_export.logits import logits_model

LIST = Path(__file__).parent / "coverage_networks" / "networks.json"
SETS = ("QKeras", "hls4ml", "Keras")
OUTCOMES = (
    *(
        "exact",
        "after adopt",
        "after quantize",
        "labels change",
        "refused",
        "does not run",
        "error",
    ),
)
BUILDERS = {
    **qkeras_examples.NETWORKS,
    **qkeras_tests.NETWORKS,
    **hls4ml.NETWORKS,
    **keras_networks.NETWORKS,
    **keras_habits.NETWORKS,
}
CALIBRATION = 256
MOST_CHANGED = 0.01
OURS = (f"{os.sep}qrobust", f"{os.sep}tflite_export")
PAINT = re.compile(r"\x1b\[\d*m")


def main() -> int:
    args = arguments()
    entries = chosen(args)
    started = time.perf_counter()
    rows = [row_of(e, args) for e in tqdm(entries, unit="network", file=sys.stderr)]
    print(tabulate([shortened(row) for row in rows], headers="keys", tablefmt="github"))
    totals = [total(name, [r for r in rows if r["set"] == name]) for name in SETS]
    totals = [row for row in totals if row["networks"]]
    print(tabulate(totals, headers="keys", tablefmt="github"))
    print(f"{time.perf_counter() - started:.0f} s")
    results.record(args.record, counts=totals, seed=1)
    results.record(args.record and f"{args.record}_networks", counts=rows, seed=1)
    wrong = sum(row["differing integers"] for row in rows)
    return int(bool(wrong))


def chosen(args: argparse.Namespace) -> list[dict]:
    entries = json.loads(LIST.read_text())["networks"]
    if args.tiny:
        args.inputs = 8
        return [e for e in entries if e["name"] in ("qdense", "QLSTM", "single dense (4, alpha 1)")]
    number, of = (int(part) for part in args.shard.split("/"))
    if not args.only:
        return entries[number - 1 :: of]
    unknown = set(args.only) - {e["name"] for e in entries} - set(SETS)
    if unknown:
        raise SystemExit(f"--only: no such set or network: {', '.join(sorted(unknown))}")
    return [e for e in entries if {e["name"], e["set"]} & set(args.only)][number - 1 :: of]


def row_of(entry: dict, args: argparse.Namespace) -> dict:
    """One network's row, from the folder of rows where it lies there already."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{entry['set']} {entry['name']}".lower()).strip("-")
    path = args.rows and args.rows / f"{name}.json"
    if path and path.is_file():
        return json.loads(path.read_text())
    row = {"commit": results.commit(), **examined(entry, args)}
    keras.backend.clear_session()
    if path:
        args.rows.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row, indent=1))
    return row


def examined(entry: dict, args: argparse.Namespace) -> dict:
    """One network's row."""
    row = {"set": entry["set"], "network": entry["name"], "outcome": "error", "said": ""}
    row |= {"integers": 0, "differing integers": 0, "changed labels": None, "runtimes": 0}
    trained = entry.get("trained", False)
    if trained and (args.models is None or (entry.get("inputs") == "mnist" and not args.data)):
        return row | {"outcome": "not tried", "said": "needs --models, and MNIST --data"}
    if not trained and (why := alone(BUILDERS[entry["name"]], entry)):
        return row | {"outcome": "does not run", "said": why}
    model = None
    try:
        model = hls4ml.TRAINED[entry["name"]](args.models) if trained else BUILDERS[entry["name"]]()
        known, fresh = inputs_of(model, entry, args)
        if not trained:
            settle(model, known, seed=1)
        outcome, made, exported = road(model, known, entry, trained)
        parity = check_parity(made, exported, fresh)
        row |= {"outcome": outcome, "integers": parity.integers}
        row |= {"differing integers": sum(parity.differing.values())}
        row |= {"runtimes": len(parity.differing)}
        if trained:
            changed = labels_changed(model, made, fresh)
            row |= {"changed labels": results.share(changed, len(first(fresh)))}
            if changed > MOST_CHANGED * len(first(fresh)):
                row |= {"outcome": "labels change"}
    except (ExportError, ValueError) as error:
        named = model is not None and names_something(str(error), model)
        row |= {"outcome": "refused" if named else "error", "said": str(error)}
    except Exception as error:
        row |= {"said": f"{type(error).__name__}: {error}"}
    return row


def alone(build: Any, entry: dict) -> str:
    """Why a framework cannot build or run a network; nothing where it can.

    An error in whose trace any code of ours stands says nothing about the framework.
    """
    try:
        model = build()
        model.predict(drawn(model, entry.get("inputs", "unit"), 2, seed=2), verbose=0)
    except Exception as error:
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        if any(f"{package}{os.sep}" in name for name in frames for package in OURS):
            return ""
        place = next(frame for frame in reversed(frames) if "site-packages" in frame)
        package = place.partition("site-packages" + os.sep)[2].partition(os.sep)[0]
        return f"{package} itself raises {type(error).__name__}: {PAINT.sub('', str(error))}"
    return ""


def road(model: Any, known: Any, entry: dict, trained: bool) -> tuple[str, Any, Any]:
    """The outcome, the model that was exported, and its file."""
    if entry["set"] != "Keras":
        try:
            return "exact", model, export(model, input_grid="data", inputs=known)
        except (ExportError, ValueError):
            pass
    if any(type(layer).__module__.startswith("qkeras") for layer in model._flatten_layers()):
        made, outcome = qrobust.adopt(model, known, input_grid="data").model, "after adopt"
    else:
        bits = (6, 8) if trained else (4, 4)
        made = qrobust.quantize(model, *bits, calibrate=known, input_grid="data")
        outcome = "after quantize"
    return outcome, made, export(made)


def inputs_of(model: Any, entry: dict, args: argparse.Namespace) -> tuple[Any, Any]:
    """Inputs to choose ranges on, and others to compare on."""
    kind = entry.get("inputs", "unit")
    if kind == "mnist":
        data = mnist(args.data)
        pictures = [part.x.astype(np.float32) / 255 for part in (data.train, data.test)]
        shape = model.inputs[0].shape[1:]
        known, fresh = (x.reshape(-1, *shape) for x in pictures)
        return known[:CALIBRATION], fresh[: args.inputs]
    return drawn(model, kind, CALIBRATION, seed=2), drawn(model, kind, args.inputs, seed=3)


def labels_changed(model: Any, made: Any, x: Any) -> int:
    before, after = (logits_model(m).predict(x, verbose=0).argmax(-1) for m in (model, made))
    return int(np.count_nonzero(before != after))


def names_something(message: str, model: Any) -> bool:
    """Whether an error names a layer, an input or the model."""
    names = {model.name} | {layer.name for layer in model._flatten_layers()}
    return any(f"'{name}" in message for name in names)


def first(x: Any) -> Any:
    return x[0] if isinstance(x, list) else x


def shortened(row: dict) -> dict:
    return {
        "network": row["network"],
        "outcome": row["outcome"],
        "differ": row["differing integers"],
        "labels": (row["changed labels"] or {"count": ""})["count"],
        "said": row["said"][:110],
    }


def total(name: str, rows: list[dict]) -> dict:
    counts = {
        outcome: sum(row["outcome"] == outcome for row in rows)
        for outcome in (*OUTCOMES, "not tried")
    }
    return {
        "set": name,
        "networks": len(rows),
        **counts,
        "integers compared": sum(row["integers"] for row in rows),
        "differing": sum(row["differing integers"] for row in rows),
        "runtimes": max((row["runtimes"] for row in rows), default=0),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="folder of hls4ml's example models")
    parser.add_argument("--data", type=Path, default=os.environ.get("QROBUST_DATA"))
    parser.add_argument("--inputs", type=int, default=512)
    parser.add_argument("--only", nargs="+", metavar="SET-OR-NAME")
    parser.add_argument("--rows", type=Path, help="folder that keeps rows, to take a run up again")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="every Nth network from I on")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
