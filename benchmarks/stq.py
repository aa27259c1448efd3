"""Ours against a float baseline under the same attacks on the same images, as STQ compares.

    QROBUST_BASELINES=FOLDER python benchmarks/stq.py --ours MODEL.keras --ours-tflite MODEL.tflite
        [--task cifar10|keywords] [--baseline PATH] [--baseline-tflite FILE.tflite] --data FOLDER
        [--surrogate MODEL.keras] [--images 200] [--epsilon 8] [--norm linf] [--full]
        [--json OUT.json] [--record NAME] [--tiny]

White box: FGSM, BIM, MI-FGSM and PGD on both Keras models, with an L2 budget Carlini-Wagner and
DeepFool too. Black box: Square, SPSA and HopSkipJump, on our exported file and on
the baseline's where ``--baseline-tflite`` gives it, else on the baseline as Keras runs it.
Transfer: PGD and MI-FGSM on a third network (``--surrogate``), else on the other side's Keras
model. Transfer and random search, which is a control and no attack, are listed and in nobody's
mean. Masking checks are printed for both Keras models. Images: of
the test part, drawn by the seed, that all models classify correctly. The mean gain is ours minus
the baseline's, in points.

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
from numpy.typing import NDArray
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
    masking_suite,
    transferred,
    white_box,
    worst_case,
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
    ours = KerasTarget(load_keras(args.ours), name="ours")
    file = TFLiteTarget(args.ours_tflite, name="ours.tflite")
    default, claim = TASKS[args.task]
    path = find(args.baseline or Path(default))
    model = keyword_network(path, args.data) if path.is_dir() else load_keras(path)
    baseline = KerasTarget(model, grid=ours.grid, name="baseline")
    shipped = baseline_file(args, baseline)
    x, y = images(args)
    right, clean = ~fallen(file, x, y), ~fallen(shipped, x, y)
    print(
        f"clean accuracy on {len(x)} images: ours {right.mean():.1%}, baseline {clean.mean():.1%}"
    )
    keras_right = ~fallen(ours, x, y) & ~fallen(baseline, x, y)
    both = np.flatnonzero(right & clean & keras_right)[: args.images]
    if not len(both):
        raise SystemExit("no image that all models classify correctly; check the models' inputs")
    x, y = x[both], y[both]
    rows = []
    found: dict[str, list[Attacked]] = {"ours": [], "baseline": []}
    for kind, pairs in matches(args, budget, (ours, file), (baseline, shipped), x, y):
        for mine, theirs in pairs:
            found["ours"].append(mine)
            found["baseline"].append(theirs)
            left = 100 * mine.within(budget), 100 * theirs.within(budget)
            attack = mine.name.split(" on ")[0]
            row = {"box": "control" if attack == "random" else kind, "attack": attack}
            row |= {"ours": left[0], "baseline": left[1], "gain": left[0] - left[1]}
            rows.append(row)
            print(row, flush=True)
    masking = {}
    for target in (ours, baseline):
        checked = masking_suite(target, x, y, budget, full=args.full, seed=args.seed)
        found[target.name] += checked.attacks
        masking[target.name] = [asdict(check) for check in checked.checks]
        print(f"\nmasked gradients of {target.name}\n\n{masking_table(checked.checks)}")
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
        args.json.write_text(json.dumps(result | {"masking": masking}, indent=1) + "\n")
    of = len(x)
    results.record(
        args.record,
        counts=[
            {
                "box": row["box"],
                "attack": row["attack"],
                **{
                    side: results.share(round(row[side] / 100 * of), of)
                    for side in ("ours", "baseline")
                },
                "gain": f"{row['gain']:+.1f}",
            }
            for row in [
                *rows,
                {
                    "box": "",
                    "attack": "best for each image",
                    "gain": 100 * (worst["ours"] - worst["baseline"]),
                    **{side: 100 * left for side, left in worst.items()},
                },
            ]
        ],
        models=[args.ours, args.ours_tflite],
        data={f"{of} images that all classify correctly": x},
        seed=args.seed,
    )
    return 0


def matches(
    args: argparse.Namespace,
    budget: Budget,
    ours: tuple[KerasTarget, Target],
    baseline: tuple[KerasTarget, Target],
    x: NDArray[Any],
    y: NDArray[Any],
) -> Iterator[tuple[str, Iterator[tuple[Attacked, Attacked]]]]:
    """White, black and transfer, each with the results of both sides; a side is (Keras, shipped).

    SPSA asks for no gradients: it counts as black box only. The smallest L2 perturbation is no try
    at an L-inf ball.
    """
    options: dict[str, Any] = {"full": args.full, "seed": args.seed}
    out = ("SPSA",) if budget.norm == "l2" else ("SPSA", *SMALLEST_L2)
    white = [
        white_box(side[0], x, y, budget, leave_out=out, **options) for side in (ours, baseline)
    ]
    yield "white", zip(*white, strict=True)
    black = [black_box(side[1], x, y, budget, **options) for side in (ours, baseline)]
    yield "black", zip(*black, strict=True)
    sources = (baseline[0], ours[0])
    if args.surrogate is not None:
        third = KerasTarget(load_keras(args.surrogate), grid=ours[0].grid, name="surrogate")
        sources = (third, third)
    shown = [
        transferred(side[1], source, x, y, budget, **options)
        for side, source in zip((ours, baseline), sources, strict=True)
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
