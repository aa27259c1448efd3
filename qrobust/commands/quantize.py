"""``qrobust quantize``."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.commands.common import add_reading, check_scale
from qrobust.commands.inputs import DATA_HELP, load_for
from qrobust.load_keras import load_keras

HELP = "make an integer .tflite of a float Keras network, without training"
_CALIBRATION = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL.keras",
        help="a float network, or module:function that returns one",
    )
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help=f"what it is calibrated by (its first {_CALIBRATION}) and compared on; {DATA_HELP}",
    )
    parser.add_argument("out", type=Path, metavar="OUT.tflite", help="the file to write")
    parser.add_argument(
        "--bits",
        type=int,
        choices=range(2, 7),
        default=6,
        help="of weights, 2 to 6 (default: 6; below that, train the twin further)",
    )
    parser.add_argument(
        "--activation-bits",
        type=int,
        choices=range(1, 9),
        default=8,
        help="of activations, 1 to 8 (default: 8)",
    )
    parser.add_argument(
        "--input-grid",
        choices=("pixels", "unit", "signed", "data"),
        help="what the network reads: 0 to 255, 0 to 1, -1 to 1, or as DATA has it",
    )
    parser.add_argument(
        "--equal-steps",
        action="store_true",
        help="one step around every sum: the same integers on OpenVINO, too",
    )
    parser.add_argument(
        "--sigma", metavar="LSB", help="write a smoothing spec into the file, to certify it"
    )
    parser.add_argument(
        "--twin", type=Path, metavar="TWIN.keras", help="also keep the quantized Keras network"
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Quantize, export, compare, and say what it costs."""
    if args.out.suffix != ".tflite":
        raise ValueError(f"'{args.out}' is to hold a .tflite: the order is MODEL.keras DATA OUT")
    if args.twin is not None and args.twin.resolve() == args.model.resolve():
        raise ValueError(
            f"--twin '{args.twin}' is MODEL itself, which stays as it is: name another"
        )
    check_scale("--sigma", args.sigma)
    model = load_keras(args.model, allow_code=args.allow_code)
    data = load_for(args.data, model, args.fit, allow_code=args.allow_code)
    x = _in_units(np.asarray(data.x), args)
    from qrobust.certify import SmoothingSpec, attach_spec
    from qrobust.quantization.quantize import quantize
    from qrobust.terminal import show
    from qrobust.training.phase import save
    from tflite_export import export
    from tflite_export.atomic import write_bytes

    twin = quantize(
        model,
        args.bits,
        args.activation_bits,
        calibrate=x[:_CALIBRATION].astype(np.float32),
        input_grid=args.input_grid,
        equal_steps=args.equal_steps,
    )
    exported = export(twin, inputs=x[:_CALIBRATION].astype(np.float32))
    tflite = exported.tflite
    if args.sigma is not None:
        tflite = attach_spec(tflite, SmoothingSpec.for_model(tflite, sigma=args.sigma))
    write_bytes(args.out, tflite)
    if args.twin is not None:
        save(twin, args.twin)
    show(exported.report)
    print(compared(model, twin, x, data.y))
    return 0


def _in_units(x: Any, args: argparse.Namespace) -> Any:
    """Pictures hold 0 to 255 whatever the network reads; whole numbers in arrays are refused."""
    if args.input_grid not in ("unit", "signed") or x.dtype.kind == "f":
        return x
    arrays = args.data.suffix in (".npz", ".npy") or ":" in str(args.data)
    if arrays or x.dtype != np.uint8 or args.input_grid != "unit":
        raise ValueError(
            f"'{args.data}' holds whole numbers, {x.min()} to {x.max()}, and --input-grid "
            f"{args.input_grid} is for real ones: give x as the network was trained on it, as "
            "float32 (.npz), or leave --input-grid out where it reads 0 to 255"
        )
    print("pictures hold 0 to 255; the network is given them divided by 256")
    return x / np.float32(256)


def compared(model: Any, twin: Any, x: Any, y: Any) -> str:
    """What quantizing changed on some inputs, in a line; where outputs are no classes, that."""
    before, after = (
        np.asarray(m.predict(x.astype(np.float32), batch_size=128, verbose=0))
        for m in (model, twin)
    )
    if before.ndim != 2 or before.shape[1] < 2:
        return f"{len(x)} inputs; the outputs are no classes, so no labels are compared"
    labels = [outputs.argmax(-1) for outputs in (before, after)]
    same = int((labels[0] == labels[1]).sum())
    line = f"{same} of {len(x)} labels are those of the float network"
    if y is not None:
        right = [int((found == np.asarray(y)).sum()) for found in labels]
        line += f"; right: {right[1]} of {len(x)}, in float {right[0]}"
    return line
