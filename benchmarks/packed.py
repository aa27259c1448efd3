"""Weights in int4 beside int8 storage of the same networks: bytes, differing integers, CPU time.

    python benchmarks/packed.py [MODEL.keras ...] [--inputs 100] [--rounds 9] [--record packed]
        [--tiny]

A float model is quantized to 4 bits first. Both files run the same inputs: every integer of the
outputs that differs between the two files, on any runtime, is counted. CPU time is that of one
inference of one thread, the median over rounds in which the two files take turns; the ratio is the
median of the rounds'.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import results
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from networks import random_inputs
from tabulate import tabulate

import qrobust
from qrobust.load_keras import load_keras
from tflite_export import export, runtimes
from tflite_export.exported import Exported
from tflite_export.graph import Linear

STORAGES = ("int8", "int4")
SHIPPED = results.PROJECT / "models" / "cifar10_resnet8_w4a4" / "model.keras"
_LITERT = {
    runtimes.XNNPACK: OpResolverType.AUTO,
    "LiteRT optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}
_BATCH = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*", default=[SHIPPED], metavar="MODEL.keras")
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.inputs, args.rounds = 4, 1
    counts, speeds = [], []
    for path in args.models:
        model = load_keras(path)
        if not any(type(layer).__module__.startswith("qkeras") for layer in model.layers):
            model = qrobust.quantize(model, 4, 4)
        files = {storage: export(model, storage=storage) for storage in STORAGES}
        q = random_inputs(model, args.inputs, seed=0).astype(np.int16) - 128
        counts.append({"network": model.name} | sizes(files) | differing(files, q.astype(np.int8)))
        speeds += [{"network": model.name} | row for row in times(files, args.rounds)]
        for layer, why in files["int4"].unpacked.items():
            print(f"{model.name}: '{layer}' stays int8: {why}")
    for rows in (counts, speeds):
        print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f"), end="\n\n")
    results.record(args.record, counts=counts, speeds=speeds, models=args.models, seed=0)
    return 0


def sizes(files: dict[str, Exported]) -> dict[str, Any]:
    """Bytes of both files, and how many weights are packed."""
    linears = [o for o in files["int4"].graph.operators if isinstance(o, Linear)]
    packed = sum(o.weights.size for o in linears if o.storage == "int4")
    found = {f"{storage} bytes": len(file.tflite) for storage, file in files.items()}
    return found | {"packed weights": packed, "weights": sum(o.weights.size for o in linears)}


def differing(files: dict[str, Exported], q: np.ndarray) -> dict[str, Any]:
    """Integers that the packed file gives otherwise than the int8 file on XNNPACK."""
    (expected,) = runtimes.run(runtimes.XNNPACK, files["int8"].tflite, [q], trusted=True)
    found: dict[str, int] = {}
    for name in runtimes.RUNTIMES:
        if runtimes.missing(name, files["int4"].tflite) is None:
            (received,) = runtimes.run(name, files["int4"].tflite, [q], trusted=True)
            found[f"differ, {name}"] = int(np.count_nonzero(received != expected))
    return {"integers": expected.size} | found


def times(files: dict[str, Exported], rounds: int) -> list[dict[str, Any]]:
    """CPU milliseconds of an inference, by runtime."""
    rows = []
    for name, prepare in PREPARED.items():
        if runtimes.not_installed(name):
            continue
        sides = [prepare(files[storage].tflite) for storage in STORAGES]
        turns = []
        for turn in range(rounds):
            order = (0, 1) if turn % 2 else (1, 0)
            spent = {side: _milliseconds(sides[side]) for side in order}
            turns.append((spent[0], spent[1]))
        int8, int4 = (median(side) for side in zip(*turns, strict=True))
        ratio = median(b / a for a, b in turns)
        rows.append({"runtime": name, "int8 ms": int8, "int4 ms": int4, "int4 / int8": ratio})
    return rows


def _litert(name: str) -> Callable[[bytes], Callable[[], int]]:
    """A batch of inferences on one thread."""

    def prepare(model: bytes) -> Callable[[], int]:
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_op_resolver_type=_LITERT[name]
        )
        (detail,) = interpreter.get_input_details()
        shape = [_BATCH, *detail["shape"][1:]]
        interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
        given = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
        interpreter.set_tensor(detail["index"], given)
        return lambda: interpreter.invoke() or _BATCH

    return prepare


def _tflm(model: bytes) -> Callable[[], int]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=1 << 22)
    shape = interpreter.get_input_details(0)["shape"]
    interpreter.set_input(np.random.default_rng(0).integers(-128, 128, shape, np.int8), 0)
    return lambda: interpreter.invoke() or 1


PREPARED = {name: _litert(name) for name in _LITERT} | {"TFLM": _tflm}


def _milliseconds(invoke: Callable[[], int]) -> float:
    """Of the processor, for one inference."""
    invoke()
    began, count = time.process_time(), 0
    while time.process_time() - began < 0.1:
        count += invoke()
    return 1000 * (time.process_time() - began) / count


if __name__ == "__main__":
    sys.exit(main())
