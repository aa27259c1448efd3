"""Without training: one float ResNet-8, quantized at several widths, on all official test images.

    python benchmarks/post_training.py --baselines DIR --data DIR [--images 1202]
        [--record post_training] [--tiny]

``pretrainedResnet.h5`` of mlcommons/tiny (in DIR) through ``qrobust.quantize(calibrate=512 training
images)``, exported; what counts are the labels of the file's own integers (LiteRT). Beside it the
stock converter's int8 file of the same network, ``pretrainedResnet_quant.tflite``. Each width also
with ``equal_steps``, which makes every sum the same on OpenVINO. Points: differences from the stock
file, and of equal steps from none, paired on the images, with exact 95 % intervals. Nothing here
was chosen on these images.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import results
from ai_edge_litert.interpreter import Interpreter
from grid.paired import paired_points
from numpy.typing import NDArray
from render import table
from tqdm import tqdm

import qrobust
from qrobust import architectures, datasets
from qrobust.load_keras import load_keras
from tflite_export import export

WIDTHS = ((6, 8), (6, 6), (4, 8), (4, 4))
CALIBRATION = 512


def main() -> int:
    args = arguments()
    x, y, calibration = images(args)
    if args.tiny:
        network, stock = architectures.digits_cnn(), None
        widths: tuple[tuple[int, int], ...] = ((4, 4),)
    else:
        network = load_keras(args.baselines / "pretrainedResnet.h5")
        stock = right((args.baselines / "pretrainedResnet_quant.tflite").read_bytes(), x, y)
        widths = WIDTHS
    logits = network.predict(x.astype(np.float32), batch_size=200, verbose=0)
    rows = [row("float, Keras", None, logits.argmax(-1) == y, stock, None)]
    if stock is not None:
        rows.append(row("stock converter, int8", None, stock, None, None))
    for weights, activations in tqdm(widths, unit="width", file=sys.stderr):
        plain = None
        for equal in (False, True):
            twin = qrobust.quantize(
                network, weights, activations, calibrate=calibration, equal_steps=equal
            )
            file = export(twin).tflite
            found = right(file, x, y)
            name = f"w{weights}a{activations}" + (", equal steps" if equal else "")
            rows.append(row(name, file, found, stock, plain))
            plain = found
    print(table(rows))
    results.record(args.record, counts=rows, data={f"the first {len(x)} for tests": x})
    return 0


def images(args: argparse.Namespace) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Test images, their labels, and training images to calibrate by."""
    data = datasets.digits() if args.tiny else datasets.cifar10(args.data)
    count = 20 if args.tiny else args.images
    calibration = data.train.x[:CALIBRATION].astype(np.float32)
    return data.test.x[:count], data.test.y[:count], calibration


def right(content: bytes, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which images a file of int8 pixels (value - 128) gives the right label."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if given["dtype"] != np.int8 or given["quantization"] != (1.0, -128):
        raise SystemExit(f"the file reads {given['dtype']} at {given['quantization']}, no pixels")
    labels = []
    for image in x:
        interpreter.set_tensor(given["index"], (image.astype(np.int16) - 128).astype(np.int8)[None])
        interpreter.invoke()
        labels.append(int(interpreter.get_tensor(made["index"])[0].argmax()))
    return np.asarray(np.array(labels) == y)


def row(
    name: str,
    file: bytes | None,
    found: NDArray[np.bool_],
    stock: NDArray[np.bool_] | None,
    plain: NDArray[np.bool_] | None,
) -> dict[str, Any]:
    """One network: accuracy, and its paired differences."""

    def points(other: NDArray[np.bool_] | None) -> str:
        return "" if other is None else paired_points(found, other)

    return {
        "network": name,
        "bytes": "" if file is None else f"{len(file):,}",
        "accuracy": results.share(int(found.sum()), len(found)),
        "points from the stock file": points(stock),
        "points that equal steps cost": points(plain),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--baselines", type=Path, metavar="DIR", help="models of mlcommons/tiny")
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--images", type=int, default=1202)
    results.add_arguments(parser)
    args = parser.parse_args()
    if not args.tiny and args.baselines is None:
        parser.error("name the folder of the baselines: --baselines DIR")
    return args


if __name__ == "__main__":
    sys.exit(main())
