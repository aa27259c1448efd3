"""Export beside TensorFlow's own int8 post-training quantization of the same float networks.

    python benchmarks/export.py [--networks ResNet-8 ...] [--repeats 5] [--record export] [--tiny]

Seconds to export (the float twin is quantized by ``qrobust.quantize`` first, which is not counted,
as training is not), bytes of the file, and inferences per second on XNNPACK with one thread. Both
sides in one run; the ratios are ours over TensorFlow's.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import results
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from networks import NETWORKS, random_inputs, trained_looking
from tabulate import tabulate

import qrobust
from tflite_export import export

BATCH = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=5)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.networks, args.repeats = ["autoencoder"], 1
    found = [compare(name, args.repeats) for name in args.networks]
    counts, speeds = zip(*found, strict=True)
    for rows in (counts, speeds):
        print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g"), end="\n\n")
    results.record(args.record, counts=counts, speeds=speeds, seed=1)
    return 0


def compare(name: str, repeats: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bytes, and speeds."""
    model = trained_looking(NETWORKS[name](), seed=1)
    images = random_inputs(model, 100, seed=2)
    twin = qrobust.quantize(model, 4, 4, calibrate=images)
    ours, our_seconds = timed(lambda: export(twin).tflite, repeats)
    theirs, their_seconds = timed(lambda: stock(model, images), 1)
    # The same machine, in short turns: a slow moment meets both.
    sides = [prepared(ours), prepared(theirs)]
    rates = [tuple(rate(side) for side in sides) for _ in range(8 * repeats)]
    our_rate, their_rate = (statistics.median(side) for side in zip(*rates, strict=True))
    counts = {
        "network": name,
        "bytes": len(ours),
        "TF bytes": len(theirs),
        "bytes ratio": len(ours) / len(theirs),
    }
    speeds = {
        "network": name,
        "export s": our_seconds,
        "TF export s": their_seconds,
        "export, times TF": their_seconds / our_seconds,
        "inferences/s": round(our_rate),
        "TF inferences/s": round(their_rate),
        "median ratio of turns": statistics.median(a / b for a, b in rates),
    }
    return counts, speeds


def timed(function: Callable[[], bytes], repeats: int) -> tuple[bytes, float]:
    """The result and the median seconds."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return result, statistics.median(seconds)


def stock(model: Any, images: np.ndarray) -> bytes:
    """Full int8 post-training quantization, int8 input and output."""
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([i[None].astype("float32")] for i in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def prepared(model: bytes) -> Interpreter:
    """An interpreter on XNNPACK with one thread and a batch of inputs."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    (detail,) = interpreter.get_input_details()
    shape = [BATCH, *detail["shape"][1:]]
    interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    inputs = np.random.default_rng(0).integers(-128, 128, shape, np.int8)
    interpreter.set_tensor(detail["index"], inputs)
    interpreter.invoke()
    return interpreter


def rate(interpreter: Interpreter, *, seconds: float = 0.15) -> float:
    """Inferences per second."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        interpreter.invoke()
        count += BATCH
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
