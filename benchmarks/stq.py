"""Ours against a float baseline under the same attacks on the same images, as STQ compares.

    QROBUST_BASELINES=FOLDER python benchmarks/stq.py --ours MODEL.keras --ours-tflite MODEL.tflite
        [--task cifar10|keywords] [--baseline PATH] --data FOLDER [--images 200] [--epsilon 8]
        [--norm linf] [--full] [--json OUT.json]

White box: FGSM, BIM, MI-FGSM, PGD, Carlini-Wagner and DeepFool (within the budget where it is
L2) on both Keras models. Black box: random search, Square, SPSA and HopSkipJump, on the baseline
as Keras runs it and on our exported file. Images: of the test part, drawn by the seed, that all
models classify correctly. The mean gain is ours minus the baseline's, in points.

Baselines, MLCommons/Tiny: ``pretrainedResnet.h5`` on CIFAR-10; on keywords ``kws_ref_model``, the
DS-CNN, whose weights go into the same network on our quantized features, with the logits of the
words at hand. The claims to meet, averaged over white- and black-box attacks: +8.3 and +79.5
points. ``--inputs DATA.npz`` takes other inputs, on the grid of both.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from qrobust import datasets
from qrobust.architectures import ds_cnn
from qrobust.attacks import (
    Attacked,
    Budget,
    KerasTarget,
    Search,
    TFLiteTarget,
    black_box,
    white_box,
    worst_case,
)
from qrobust.attacks.target import Target
from qrobust.audio.quantize_features import FEATURE_EXPONENT
from qrobust.certify import load_data
from qrobust.commands.keras_file import load_keras

# Task -> baseline and claimed gain in points.
TASKS = {"cifar10": ("pretrainedResnet.h5", 8.3), "keywords": ("kws_ref_model", 79.5)}


def main() -> int:
    args = arguments()
    budget = Budget(args.epsilon, args.norm)
    ours = KerasTarget(load_keras(args.ours), name="ours")
    file = TFLiteTarget(args.ours_tflite, name="ours.tflite")
    default, claim = TASKS[args.task]
    path = find(args.baseline or Path(default))
    model = keyword_network(path, args.data) if path.is_dir() else load_keras(path)
    baseline = KerasTarget(model, grid=ours.grid, name="baseline")
    x, y = images(args)
    right, clean = ~fallen(file, x, y), ~fallen(baseline, x, y)
    print(
        f"clean accuracy on {len(x)} images: ours {right.mean():.1%}, baseline {clean.mean():.1%}"
    )
    both = np.flatnonzero(right & clean & ~fallen(ours, x, y))[: args.images]
    if not len(both):
        raise SystemExit("no image that all models classify correctly; check the models' inputs")
    x, y = x[both], y[both]
    rows, options = [], {"full": args.full, "seed": args.seed}
    found: dict[str, list[Attacked]] = {"ours": [], "baseline": []}
    for kind, suite, mine in (("white", white_box, ours), ("black", black_box, file)):
        results = zip(
            suite(mine, x, y, budget, **options),
            suite(baseline, x, y, budget, **options),
            strict=True,
        )
        for row, pair in pairs(kind, results, budget):
            found["ours"].append(pair[0])
            found["baseline"].append(pair[1])
            rows.append(row)
            print(row, flush=True)
    gains = {
        kind: float(np.mean([r["gain"] for r in rows if r["box"] == kind]))
        for kind in ("white", "black")
    }
    gain = (gains["white"] + gains["black"]) / 2
    worst = {name: worst_case(attacks, budget) for name, attacks in found.items()}
    print(f"\n{budget}, {len(x)} images that all classify correctly; accuracy left in percent\n")
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))
    print(
        f"\nbest attack for each image: ours {worst['ours']:.1%}, baseline {worst['baseline']:.1%}"
        f"\nmean gain: white {gains['white']:+.1f}, black {gains['black']:+.1f}, "
        f"both {gain:+.1f} points (claim of STQ on {args.task}: {claim:+.1f})"
    )
    if args.json is not None:
        result = {"images": len(x), "rows": rows, "gains": gains, "gain": gain, "worst": worst}
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def pairs(
    kind: str, results: Iterator[tuple[Attacked, Attacked]], budget: Budget
) -> Iterator[tuple[dict[str, Any], tuple[Attacked, Attacked]]]:
    for mine, theirs in results:
        # The smallest L2 perturbation is no try at an L-inf ball.
        if mine.budget is None and budget.norm != "l2":
            continue
        left = 100 * mine.within(budget), 100 * theirs.within(budget)
        row = {"box": kind, "attack": mine.name, "ours": left[0], "baseline": left[1]}
        yield row | {"gain": left[0] - left[1]}, (mine, theirs)


def fallen(target: Target, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    return Search(target, x, y, None).fallen


def images(args: argparse.Namespace) -> tuple[NDArray[Any], NDArray[Any]]:
    """Three times as many as wanted: models differ in what they get right."""
    if args.inputs is not None:
        data = load_data(args.inputs)
        if data.y is None:
            raise SystemExit(f"{args.inputs} holds no y")
        x, y = data.x, data.y
    else:
        load = datasets.cifar10 if args.task == "cifar10" else datasets.speech_commands
        test = load(args.data).test
        x, y = test.x, test.y
    order = np.random.default_rng(args.seed).permutation(len(x))[: 3 * args.images]
    return x[order], y[order]


def keyword_network(folder: Path, data: str | None) -> Any:
    """The reference DS-CNN's weights in a Keras model of the words at hand, on our features."""
    import tensorflow as tf

    words = datasets.speech_commands(data).class_names
    columns = [datasets.KEYWORDS.index(word) for word in words]
    saved = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    model = ds_cnn(classes=len(words), input_scale=2.0**FEATURE_EXPONENT)
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        names = [weight.name for weight in layer.weights]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            names[0] = "depthwise_kernel"  # as Keras 2 called it
        keys = [f"layer_with_weights-{number}/{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in names]
        values = [saved.get_tensor(key) for key in keys]
        if isinstance(layer, keras.layers.Dense):
            values = [value[..., columns] for value in values]
        layer.set_weights(values)
    return model


def find(path: Path) -> Path:
    """The baseline as given, or below the folder of baselines."""
    if path.exists():
        return path
    folder = os.environ.get("QROBUST_BASELINES")
    matches = sorted(Path(folder).rglob(path.name)) if folder else []
    if not matches:
        raise SystemExit(f"no {path}: name the folder of the baselines in QROBUST_BASELINES")
    return matches[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ours against a float baseline, attacked alike")
    parser.add_argument("--ours", type=Path, required=True, metavar="MODEL.keras")
    parser.add_argument("--ours-tflite", type=Path, required=True, metavar="MODEL.tflite")
    parser.add_argument("--task", choices=TASKS, default="cifar10")
    parser.add_argument("--baseline", type=Path, help="instead of the task's own")
    parser.add_argument("--data", metavar="FOLDER", help="of the data sets")
    parser.add_argument("--inputs", type=Path, metavar="DATA.npz", help="x and y instead")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epsilon", type=float, default=8, help="LSB")
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument("--full", action="store_true", help="the long suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
