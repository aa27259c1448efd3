"""Differing integers of the MLPerf-Tiny networks on every runtime, tie-free beside naive.

    python benchmarks/parity.py [--inputs 10000] [--keras-inputs 2000] [--slow-inputs 100]
        [--networks ResNet-8 ...] [--weights ternary 2 3 4 6] [--activations 2 4 8]
        [--ondevice N] [--json OUT.json] [--allow-missing RUNTIME ...] [--record parity] [--tiny]

The optimized kernels are compared with XNNPACK on ``--inputs`` inputs, ``model.predict`` on
``--keras-inputs``; the NumPy reference, the reference kernels and TFLM, which are slow, on
``--slow-inputs``. The naive export is the same file without tie-free rounding; its column is the
worst runtime's share of wrong integers.
``--ondevice N`` adds ARM64 (qemu) and LiteRT.js (Node) on N inputs. A runtime that is missing is an
error unless it is allowed by name: nothing that was skipped counts as exact.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import results
from networks import NETWORKS, random_inputs, trained_looking
from tabulate import tabulate
from tqdm import tqdm

import qrobust
from tflite_export import Exported, Parity, check_parity, export, runtimes
from tflite_export.parity import keras_integers

FAST = ("LiteRT XNNPACK", "LiteRT optimized")
CHUNK = 1000
SLOW = ("LiteRT reference", "TFLM")


def main() -> int:
    args = arguments()
    if args.tiny:
        args.networks, args.weights, args.activations = ["autoencoder"], ["4"], [4]
        args.inputs = args.keras_inputs = args.slow_inputs = 5
    rows = []
    started = time.perf_counter()
    cases = [(n, w, a) for n in args.networks for w in args.weights for a in args.activations]
    for name, weights, activations in tqdm(cases, unit="network", file=sys.stderr):
        rows.append(compare(name, weights, activations, args))
        if args.json:  # after every row: a sweep takes an hour
            Path(args.json).write_text(json.dumps(rows, indent=1))
    print(tabulate(rows, headers="keys", tablefmt="github"))
    missing = sorted({name for row in rows for name in row if name in args.allow_missing})
    wrong = sum(row[column] for row in rows for column in exact_columns(row))
    results.record(args.record, counts=shown(rows, args, missing), seed=1)
    print(
        f"\n{len(rows)} networks, {wrong} differing integers; naive: the same file without "
        f"tie-free rounding; {time.perf_counter() - started:.0f} s"
    )
    return 1 if wrong else 0


def compare(name: str, weights: str, activations: int, args: argparse.Namespace) -> dict:
    model = trained_looking(NETWORKS[name](), seed=1)
    bits = weights if weights == "ternary" else int(weights)
    calibration = random_inputs(model, 128, seed=2)
    twin = qrobust.quantize(model, bits, activations, calibrate=calibration)
    exported, naive = export(twin), export(twin, rounding="naive")
    inputs = random_inputs(model, args.inputs, seed=3)
    few = inputs[: args.slow_inputs]
    row = {"network": name, "weights": weights, "activations": activations, "inputs": len(inputs)}
    row |= {FAST[1]: optimized_differing(exported, inputs)}
    some = inputs[: args.keras_inputs]
    row |= {"Keras inputs": len(some), "Keras predict": keras_differing(twin, exported, some)}
    slow = check_parity(twin, exported, few)
    row |= {"slow inputs": len(few), "NumPy reference": slow.differing[FAST[0]]}
    row |= {name: present(name, slow, args.allow_missing) for name in SLOW}
    plain = check_parity(twin, naive, few)
    if args.ondevice:
        row |= ondevice(twin, inputs[: args.ondevice])
    worst = max(v for k, v in plain.differing.items() if k != "Keras predict")
    row["naive, worst"] = f"{worst / plain.integers:.1%}"
    return row


def present(name: str, parity: Parity, allowed: list[str]) -> int | str:
    """Differing integers of a runtime, or why it is missing where that is allowed."""
    if name in parity.differing:
        return parity.differing[name]
    why = parity.skipped[name]
    if name not in allowed:
        raise SystemExit(f"{name} was not compared ({why}); allow that with --allow-missing {name}")
    return why


def shown(rows: list[dict], args: argparse.Namespace, missing: list[str]) -> list[dict]:
    """A row for each network and weight bits, all activation bits together."""
    if args.ondevice:
        return [
            {
                "network": f"{row['network']}, w{row['weights']}a{row['activations']}",
                "inputs": row["device inputs"],
                "ARM64": row["arm64"],
                "LiteRT.js in Node": row["node"],
                "all runtimes of this machine": sum(
                    row[c] for c in exact_columns(row) if c not in ("arm64", "node")
                ),
            }
            for row in rows
        ]
    shown = []
    for name, weights in dict.fromkeys((row["network"], row["weights"]) for row in rows):
        these = [r for r in rows if (r["network"], r["weights"]) == (name, weights)]
        naive = sorted((r["naive, worst"] for r in these), key=lambda text: float(text[:-1]))
        first = these[0]
        inputs = (first["inputs"], first["Keras inputs"], first["slow inputs"])
        row = {
            "network": name,
            "weights": weights,
            "activation bits": ", ".join(str(r["activations"]) for r in these),
            "inputs: fast kernels / Keras / slow": " / ".join(f"{n:,}" for n in inputs),
            "differing integers": sum(r[c] for r in these for c in exact_columns(r)),
            "naive export, worst runtime": " to ".join(dict.fromkeys((naive[0], naive[-1]))),
        }
        shown.append(row | ({"not compared": ", ".join(missing)} if missing else {}))
    return shown


def optimized_differing(exported: Exported, inputs: np.ndarray) -> int:
    """Integers of the optimized kernels that are not XNNPACK's."""
    return sum(
        int(np.count_nonzero(run(FAST[1], exported, q) != run(FAST[0], exported, q)))
        for q in chunks(exported, inputs)
    )


def keras_differing(twin: object, exported: Exported, inputs: np.ndarray) -> int:
    """Integers of ``model.predict`` that are not XNNPACK's."""
    return sum(
        int(
            np.count_nonzero(
                keras_integers(twin, exported.lowered, [q])[0] != run(FAST[0], exported, q)
            )
        )
        for q in chunks(exported, inputs)
    )


def chunks(exported: Exported, inputs: np.ndarray) -> Iterator[np.ndarray]:
    """Stored integers of a thousand inputs at a time."""
    (grid,) = exported.lowered.input_grids
    for start in range(0, len(inputs), CHUNK):
        yield grid.quantize(inputs[start : start + CHUNK])


def run(runtime: str, exported: Exported, stored: np.ndarray) -> np.ndarray:
    """The one output on one runtime."""
    (output,) = runtimes.run(runtime, exported.tflite, [stored.astype(np.int8)])
    return output


def ondevice(twin: object, inputs: np.ndarray) -> dict:
    """ARM64 under qemu and LiteRT.js in Node, on uint8 inputs."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from ondevice.cache import default_cache
    from ondevice.compare import compare_targets
    from ondevice.targets import TARGETS

    exported = export(twin, io="uint8")
    (grid,) = exported.lowered.input_grids
    uint8 = (grid.quantize(inputs) + 128).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = exported.save(Path(folder) / "model.tflite")
        devices = [TARGETS[name]() for name in ("arm64", "node")]
        results = list(compare_targets(devices, path, uint8, default_cache()))
    columns = {"device inputs": len(inputs)}
    for result in results[1:]:
        columns[result.target] = result.reason or result.differing
    return columns


def exact_columns(row: dict) -> list[str]:
    known = ("Keras predict", FAST[1], "NumPy reference", *SLOW, "arm64", "node")
    return [name for name in known if isinstance(row.get(name), int)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--keras-inputs", type=int, default=2000)
    parser.add_argument("--slow-inputs", type=int, default=100)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--weights", nargs="+", default=["ternary", "2", "3", "4", "6"])
    parser.add_argument("--activations", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--ondevice", type=int, default=0, metavar="N")
    parser.add_argument("--json", metavar="OUT.json")
    parser.add_argument("--allow-missing", nargs="+", default=[], metavar="RUNTIME")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
