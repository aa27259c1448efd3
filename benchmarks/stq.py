"""Ours against a float baseline under the same attacks on the same images, as STQ compares.

    QROBUST_BASELINES=FOLDER python benchmarks/stq.py --ours MODEL.keras --ours-tflite MODEL.tflite
        [--twin MODEL.keras --twin-tflite MODEL.tflite] [--task cifar10|keywords]
        [--baseline PATH] [--baseline-tflite FILE.tflite] --data FOLDER
        [--surrogate MODEL.keras] [--images 200] [--epsilon 8] [--norm linf] [--full]
        [--json OUT.json] [--record NAME] [--tiny]

The network that STQ describes is `models/cifar10_stq` (ternary weights, per-layer Jacobian, noise);
its ``--twin`` is the same network without the penalty (`unregularized.toml`), so that what the
penalty gives is told from what network and noise do. First the standard worst case, of all images
that were drawn, those that are wrong anyway included, as everywhere in this project. The rest is of
images that all models classify correctly, as STQ counts: the best of all attacks on each image;
then the mean over attacks, by which STQ compares, and which weak attacks raise. Gains are paired,
with 95 % intervals over images: exact ones of shares, Student's of means.

White box: FGSM, BIM, MI-FGSM and PGD on both Keras models, with an L2 budget Carlini-Wagner and
DeepFool too. Black box: Square, SPSA and HopSkipJump, on our exported file and on
the baseline's where ``--baseline-tflite`` gives it, else on the baseline as Keras runs it.
Transfer: PGD and MI-FGSM on a third network (``--surrogate``), else on the other side's Keras
model. Transfer and random search, which is a control and no attack, are listed and in nobody's
mean. Masking checks are printed for every Keras model. Images: of the test part, drawn by the seed.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import results
from gains import means, shares
from numpy.typing import NDArray
from render import cell
from tabulate import tabulate

from qrobust import datasets
from qrobust.architectures import ds_cnn
from qrobust.attacks import (
    SMALLEST_L2,
    Attacked,
    Budget,
    KerasTarget,
    Search,
    TFLiteTarget,
    black_box,
    distances,
    masking_suite,
    standard_worst_case,
    transferred,
    white_box,
)
from qrobust.attacks.evaluation.report import masking_table
from qrobust.attacks.ground.target import Target
from qrobust.audio.quantize_features import FEATURE_EXPONENT
from qrobust.certify import load_data
from qrobust.load_keras import load_keras

# Task -> baseline and claimed gain in points.
TASKS = {"cifar10": ("pretrainedResnet.h5", 8.3), "keywords": ("kws_ref_model", 79.5)}


def main() -> int:
    args = arguments()
    if args.tiny:
        args.images = 2
    budget = Budget(args.epsilon, args.norm)
    sides = contenders(args)
    x, y = images(args)
    right = [~fallen(target, x, y) for side in sides.values() for target in side]
    for name, shipped in zip(sides, right[1::2], strict=True):
        print(f"clean accuracy of {name} on {len(x)} images: {shipped.mean():.1%}")
    drawn = {f"{args.images} images that were drawn": x[: args.images]}
    chosen = np.flatnonzero(np.all(right, axis=0))[: args.images]
    if not len(chosen):
        raise SystemExit("no image that all models classify correctly; check the models' inputs")
    standard = {
        name: standing(side, x[: args.images], y[: args.images], budget, args)
        for name, side in sides.items()
    }
    x, y = x[chosen], y[chosen]
    rows: list[dict[str, Any]] = []
    found: dict[str, list[Attacked]] = {name: [] for name in sides}
    for kind, together in matches(args, budget, sides, x, y):
        for attacks in together:
            attack = attacks[0].name.split(" on ")[0]
            left = {n: stands([a], budget) for n, a in zip(sides, attacks, strict=True)}
            for name, attacked in zip(sides, attacks, strict=True):
                found[name].append(attacked)
            rows.append({"box": "control" if attack == "random" else kind, "attack": attack} | left)
            print(kind, attack, {n: f"{one.mean():.1%}" for n, one in left.items()}, flush=True)
    masking = {}
    for name, (target, _) in sides.items():
        checked = masking_suite(target, x, y, budget, full=args.full, seed=args.seed)
        found[name] += checked.attacks
        masking[name] = [asdict(check) for check in checked.checks]
        print(f"\nmasked gradients of {name}\n\n{masking_table(checked.checks)}")
    lines = [
        shares("standard worst case, of all", standard),
        shares("worst case for each image", {n: stands(a, budget) for n, a in found.items()}),
        *means(rows),
        *(shares(row["attack"], {name: row[name] for name in sides}, row["box"]) for row in rows),
    ]
    print(f"\n{budget}, {len(x)} images that all classify correctly; gains in points, ours less\n")
    print(tabulate([plain(line) for line in lines], headers="keys", tablefmt="github"))
    print(f"\nSTQ's claim on {args.task}, of its mean over attacks: {TASKS[args.task][1]:+.1f}")
    if args.json is not None:
        result = {"images": len(x), "rows": [plain(line) for line in lines], "masking": masking}
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    files = {"ours": (args.ours, args.ours_tflite), "unregularized": (args.twin, args.twin_tflite)}
    named = {(side, p.name): p for side, found in files.items() for p in found if p is not None}
    ours = [p for p in named.values() if p.resolve().is_relative_to(results.PROJECT)]
    others = {f"{side}, {n}": p.read_bytes() for (side, n), p in named.items() if p not in ours}
    results.record(
        args.record,
        counts=lines,
        models=ours,
        data=drawn | {f"{len(x)} images that all classify correctly": x} | others,
        seed=args.seed,
    )
    return 0


def contenders(args: argparse.Namespace) -> dict[str, tuple[KerasTarget, Target]]:
    """Name -> (Keras model, what ships): ours, our unregularized twin if given, the baseline."""
    ours = KerasTarget(load_keras(args.ours), name="ours")
    sides: dict[str, tuple[KerasTarget, Target]] = {
        "ours": (ours, TFLiteTarget(args.ours_tflite, name="ours.tflite"))
    }
    if args.twin is not None:
        twin = KerasTarget(load_keras(args.twin), name="unregularized")
        shipped: Target = twin
        if args.twin_tflite is not None:
            shipped = TFLiteTarget(args.twin_tflite, name="unregularized.tflite")
        sides["unregularized"] = (twin, shipped)
    path = find(args.baseline or Path(TASKS[args.task][0]))
    model = keyword_network(path, args.data) if path.is_dir() else load_keras(path)
    baseline = KerasTarget(model, grid=ours.grid, name="baseline")
    sides["baseline"] = (baseline, baseline_file(args, baseline))
    return sides


def stands(attacks: list[Attacked], budget: Budget) -> NDArray[np.bool_]:
    """Which images no attack moves off their class inside the ball."""
    lost = np.zeros(len(attacks[0].fallen), bool)
    for attack in attacks:
        size = distances(attack.clean, attack.adversarial)[budget.norm]
        lost |= attack.fallen & (size <= budget.epsilon)
    return ~lost


def standing(
    side: tuple[KerasTarget, Target],
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    args: argparse.Namespace,
) -> NDArray[np.bool_]:
    """Which images are right and stay right under the standard worst case; what ships decides."""
    source, shipped = side
    return standard_worst_case(shipped, x, y, budget, surrogate=source, seed=args.seed).left


def plain(line: dict[str, Any]) -> dict[str, Any]:
    return {key: cell(value) for key, value in line.items()}


def matches(
    args: argparse.Namespace,
    budget: Budget,
    sides: dict[str, tuple[KerasTarget, Target]],
    x: NDArray[Any],
    y: NDArray[Any],
) -> Iterator[tuple[str, Iterator[tuple[Attacked, ...]]]]:
    """White, black and transfer, each with the results of all sides.

    SPSA asks for no gradients: it counts as black box only. The smallest L2 perturbation is no try
    at an L-inf ball.
    """
    options: dict[str, Any] = {"full": args.full, "seed": args.seed}
    out = ("SPSA",) if budget.norm == "l2" else ("SPSA", *SMALLEST_L2)
    white = [white_box(side[0], x, y, budget, leave_out=out, **options) for side in sides.values()]
    yield "white", zip(*white, strict=True)
    black = [black_box(side[1], x, y, budget, **options) for side in sides.values()]
    yield "black", zip(*black, strict=True)
    third = None
    if args.surrogate is not None:
        grid = sides["ours"][0].grid
        third = KerasTarget(load_keras(args.surrogate), grid=grid, name="surrogate")
    shown = [
        transferred(
            side[1],
            third or sides["baseline" if name == "ours" else "ours"][0],
            x,
            y,
            budget,
            **options,
        )
        for name, side in sides.items()
    ]
    yield "transfer", zip(*shown, strict=True)


def baseline_file(args: argparse.Namespace, baseline: KerasTarget) -> Target:
    """What the baseline ships, where it is given; the same inputs on the same grid."""
    if args.baseline_tflite is None:
        return baseline
    file = TFLiteTarget(find(args.baseline_tflite), name="baseline.tflite")
    mine, theirs = baseline.grid, file.grid
    if (mine.low, mine.high, file.shape) != (theirs.low, theirs.high, baseline.shape):
        raise SystemExit(
            f"{args.baseline_tflite} takes {file.shape} on {theirs}, the baseline "
            f"{baseline.shape} on {mine}"
        )
    return file


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
    unknown = sorted(set(words) - set(datasets.KEYWORDS))
    if unknown:
        raise SystemExit(
            f"{folder.name} knows {', '.join(datasets.KEYWORDS)}; take other folders out of the "
            f"data set. Received: {', '.join(unknown)}"
        )
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
    parser.add_argument("--twin", type=Path, metavar="MODEL.keras", help="ours without the penalty")
    parser.add_argument("--twin-tflite", type=Path, metavar="MODEL.tflite", help="its file")
    parser.add_argument("--task", choices=TASKS, default="cifar10")
    parser.add_argument("--baseline", type=Path, help="instead of the task's own")
    parser.add_argument("--baseline-tflite", type=Path, help="its file, for the black box")
    parser.add_argument("--surrogate", type=Path, metavar="MODEL.keras", help="for transfer")
    parser.add_argument("--data", metavar="FOLDER", help="of the data sets")
    parser.add_argument("--inputs", type=Path, metavar="DATA.npz", help="x and y instead")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epsilon", type=float, default=8, help="LSB")
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument("--full", action="store_true", help="the long suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
