"""``qrobust export``."""

import argparse
from pathlib import Path

from qrobust.commands.keras_file import load_keras

HELP = "write a fully integer .tflite from a quantized .keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL.keras")
    parser.add_argument("out", type=Path, metavar="OUT.tflite")
    parser.add_argument("--storage", choices=("int8", "int4", "int2"), default="int8")
    parser.add_argument("--io", choices=("int8", "uint8"), default="int8")
    parser.add_argument("--sigma", metavar="LSB", help="write a smoothing spec into the file")
    parser.add_argument(
        "--c-array", action="store_true", help="also write OUT.cc and OUT.h for firmware"
    )
    parser.add_argument(
        "--inexact",
        action="store_true",
        help="export even what is not exact; the report says what is not",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DATA.npz", help="x: inputs that give ranges and are compared"
    )


def run(args: argparse.Namespace) -> int:
    """Export a model and print its report."""
    model = load_keras(args.model)
    from qrobust.certify import SmoothingSpec, attach_spec, load_data
    from tflite_export import export
    from tflite_export.c_array import save_c_array

    exported = export(
        model,
        storage=args.storage,
        io=args.io,
        exact=not args.inexact,
        inputs=None if args.data is None else load_data(args.data).x,
    )
    tflite = exported.tflite
    if args.sigma is not None:
        tflite = attach_spec(tflite, SmoothingSpec.for_model(tflite, sigma=args.sigma))
    args.out.write_bytes(tflite)
    print(exported.report)
    if args.c_array:
        save_c_array(tflite, args.out.with_suffix(".cc"))
    return 0
