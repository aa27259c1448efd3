"""Differing integers of the MLPerf-Tiny networks on every runtime, tie-free beside naive.

    python benchmarks/parity.py [--inputs 10000] [--slow-inputs 100] [--networks ResNet-8 ...]
        [--weights ternary 2 3 4 6] [--activations 2 4 8] [--ondevice N] [--json OUT.json]

Every network is compared with the NumPy reference on ``--inputs`` inputs in Keras and on the fast
kernels, on ``--slow-inputs`` on the reference kernels and TFLM. The naive export is the same file
without tie-free rounding. ``--ondevice N`` adds ARM64 (qemu) and LiteRT.js (Node) on N inputs.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from networks import NETWORKS, random_inputs, trained_looking
from tabulate import tabulate
from tqdm import tqdm

import qrobust
from tflite_export import check_parity, export

FAST = ("LiteRT XNNPACK", "LiteRT optimized")
SLOW = ("LiteRT reference", "TFLM")


def main() -> int:
    args = arguments()
    rows = []
    started = time.perf_counter()
    cases = [(n, w, a) for n in args.networks for w in args.weights for a in args.activations]
    for name, weights, activations in tqdm(cases, unit="network", file=sys.stderr):
        rows.append(compare(name, weights, activations, args))
    print(tabulate(rows, headers="keys", tablefmt="github"))
    wrong = sum(row[column] for row in rows for column in exact_columns(row))
    print(
        f"\n{len(rows)} networks, {wrong} differing integers; naive: the same file without "
        f"tie-free rounding; {time.perf_counter() - started:.0f} s"
    )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1))
    return 1 if wrong else 0


def compare(name: str, weights: str, activations: int, args: argparse.Namespace) -> dict:
    model = trained_looking(NETWORKS[name](), seed=1)
    bits = weights if weights == "ternary" else int(weights)
    calibration = random_inputs(model, 128, seed=2)
    twin = qrobust.quantize(model, bits, activations, calibrate=calibration)
    exported, naive = export(twin), export(twin, rounding="naive")
    inputs = random_inputs(model, args.inputs, seed=3)
    few = inputs[: args.slow_inputs]
    fast = check_parity(twin, exported, inputs, on=FAST)
    slow = check_parity(twin, exported, few, on=SLOW)
    plain = check_parity(twin, naive, few)
    row = {"network": name, "weights": weights, "activations": activations, "inputs": len(inputs)}
    row |= fast.differing
    row |= {"slow inputs": len(few)} | {k: v for k, v in slow.differing.items() if k in SLOW}
    row |= {f"skipped {k}": v for k, v in slow.skipped.items()}
    if args.ondevice:
        row |= ondevice(twin, inputs[: args.ondevice])
    worst = max(v for k, v in plain.differing.items() if k != "Keras predict")
    row["naive, worst"] = f"{worst / plain.integers:.1%}"
    return row


def ondevice(twin: object, inputs: np.ndarray) -> dict:
    """ARM64 under qemu and LiteRT.js in Node, on uint8 inputs."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from ondevice.compare import compare_targets
    from ondevice.targets import TARGETS

    exported = export(twin, io="uint8")
    with tempfile.TemporaryDirectory() as folder:
        path = exported.save(Path(folder) / "model.tflite")
        runtimes = [TARGETS[name]() for name in ("arm64", "node")]
        results = compare_targets(runtimes, path, inputs)
    columns = {"device inputs": len(inputs)}
    for result in results[1:]:
        columns[result.target] = result.reason or result.differing
    return columns


def exact_columns(row: dict) -> list[str]:
    known = ("Keras predict", *FAST, *SLOW, "arm64", "node")
    return [name for name in known if isinstance(row.get(name), int)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--slow-inputs", type=int, default=100)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--weights", nargs="+", default=["ternary", "2", "3", "4", "6"])
    parser.add_argument("--activations", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--ondevice", type=int, default=0, metavar="N")
    parser.add_argument("--json", metavar="OUT.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
