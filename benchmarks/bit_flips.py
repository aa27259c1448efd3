"""Faults in a device's memory: accuracy against the number of flipped bits.

    python benchmarks/bit_flips.py --data DIR [--images 300] [--flips 16] [--repeats 10]
        [--baselines DIR] [--record bit_flips] [--tiny]

Networks of CIFAR-10 as a device holds them: ResNet-8 trained with noise in int8 and int4 files and
in the fields of its generated C, and the ternary one of `models/cifar10_stq`, in 8 bits a weight
and in the 2 of its C; with ``--baselines`` also the stock converter's int8 ResNet-8 of
mlcommons/tiny, which is outside of the integer contract, so that its weights alone are flipped,
and at random. Weights flip once for all pictures, at random (drawn so many times: the mean, and the
least of them) or one after the other along gradients (Rakin et al. 2019), searched on 128 other
pictures.
Activations flip for each picture anew, at random or along the gradients of that picture, in all
tensors between input and output. Judged by the file itself (weights) and in the specification's
integers (activations), on the first official test pictures.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import results
from render import table

from qrobust import datasets
from qrobust.attacks.faults.evaluate_faults import (
    ACTIVATIONS,
    RANDOM,
    WEIGHTS,
    Faults,
    evaluate_faults,
)
from qrobust.load_keras import load_keras
from tflite_export import export

MODELS = results.PROJECT / "models"
NOISY, TERNARY = "cifar10_resnet8_w4a4", "cifar10_stq"
#: Network, how the file holds weights, where bits flip, and whether activations are looked at.
SUBJECTS = (
    (NOISY, "int8", "file", True),
    (NOISY, "int4", "file", False),
    (NOISY, "int8", "c99", False),
    (TERNARY, "int8", "file", True),
    (TERNARY, "int8", "c99", False),
)
STOCK = "pretrainedResnet_quant.tflite"
SEARCHED, SEED = 128, 0


def main() -> int:
    args = arguments()
    data = datasets.cifar10(args.data).test if not args.tiny else datasets.digits(SEED).test
    subjects = SUBJECTS if not args.tiny else (("digits", "int8", "c99", True),)
    asked = [(f"{name}, {way(file, where)}", name, file, where, deep)
             for name, file, where, deep in subjects]  # fmt: skip
    models = [MODELS / name / "model.tflite" for name in dict.fromkeys(s[0] for s in subjects)]
    end = args.images + SEARCHED
    shown_data: dict[str, Any] = {f"test, the first {end}": data.x[:end]}
    found = {}
    for shown, name, file, where, deep in asked:
        content = file_of(name, file)
        found[shown] = evaluated(content, data, args, where, deep)
        print(f"{shown}\n{found[shown].markdown()}", flush=True)
    if args.baselines:
        stock = (args.baselines / STOCK).read_bytes()
        shown_data[STOCK] = stock
        found["stock converter, int8"] = evaluated(stock, data, args, "file", False)
    weights = [weight_row(name, faults) for name, faults in found.items()]
    activations = [
        activation_row(name, faults) for name, faults in found.items() if faults.activation_bits
    ]
    print(f"{table(weights)}\n\n{table(activations)}")
    for suffix, rows in (("", weights), ("_activations", activations)):
        results.record(
            args.record and args.record + suffix,
            counts=rows,
            models=models,
            data=shown_data,
            seed=SEED,
        )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of CIFAR-10")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--flips", type=int, default=16, help="the most along gradients")
    parser.add_argument("--repeats", type=int, default=10, help="of random flips")
    parser.add_argument("--baselines", type=Path, help="folder of mlcommons/tiny's networks")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.flips, args.repeats = 10, 1, 1
    return args


def file_of(name: str, storage: str) -> bytes:
    """What is shipped, or the same network packed."""
    folder = MODELS / name
    if storage == "int8":
        return (folder / "model.tflite").read_bytes()
    return export(load_keras(folder / "model.keras"), storage=storage).tflite


def way(file: str, where: str) -> str:
    """How weights are stored, in words."""
    return "fields of the C" if where == "c99" else file


def evaluated(
    content: bytes, data: Any, args: argparse.Namespace, where: str, deep: bool
) -> Faults:
    """One file."""
    end = args.images + SEARCHED
    x, y = data.x[:end], data.y[:end]
    return evaluate_faults(
        content,
        x[: args.images],
        y[: args.images],
        (x[args.images :], y[args.images :]),
        args.flips,
        storage=where,
        where=(WEIGHTS, ACTIVATIONS) if deep else (WEIGHTS,),
        repeats=args.repeats,
        seed=SEED,
    )


def cells(faults: Faults, where: str) -> dict[str, str]:
    """Accuracy by how many bits flipped: of random flips the mean, and the least of all draws."""
    made = {}
    for row in faults.rows:
        if row.where == where:
            text = f"{row.accuracy:.1%}"
            if row.how == RANDOM:
                text += f" ({row.least:.1%})"
            made[f"{row.how}, {row.flips:,}"] = text
    return made


def weight_row(name: str, faults: Faults) -> dict[str, str]:
    """What flips of weights leave."""
    head = {"file": name, "bits": f"{faults.weight_bits:,}", "clean": f"{faults.clean:.1%}"}
    return head | cells(faults, WEIGHTS)


def activation_row(name: str, faults: Faults) -> dict[str, str]:
    """What flips of activations leave."""
    network = name.partition(",")[0]
    head = {"network": network, "bits": f"{faults.activation_bits:,}"}
    return head | {"clean": f"{faults.clean:.1%}"} | cells(faults, ACTIVATIONS)


if __name__ == "__main__":
    sys.exit(main())
