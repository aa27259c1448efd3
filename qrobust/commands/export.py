"""``qrobust export``."""

import argparse
import re
from pathlib import Path
from typing import Any

from qrobust.certify.commands.common import add_reading, check_scale
from qrobust.commands.inputs import DATA_HELP, load_for
from qrobust.load_keras import load_keras

HELP = "write a fully integer .tflite from a quantized .keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL.keras",
        help="a quantized model, or module:function that returns one",
    )
    parser.add_argument("out", type=Path, metavar="OUT.tflite", help="the file to write")
    parser.add_argument(
        "--storage",
        choices=("int8", "int4", "int2"),
        default="int8",
        help="of weights (default: int8); an exact file packs layers of up to 4 bits that read up "
        "to 6, int2 only ternary dense ones",
    )
    parser.add_argument(
        "--io",
        choices=("int8", "uint8"),
        default="int8",
        help="of inputs and outputs (default: int8); the C certifier takes int8 only",
    )
    parser.add_argument(
        "--input-grid",
        choices=("pixels", "unit", "signed", "data"),
        help="what the model reads: 0 to 255, 0 to 1, -1 to 1, or as --data has it",
    )
    smoothed = parser.add_mutually_exclusive_group()
    smoothed.add_argument("--sigma", metavar="LSB", help="write a smoothing spec into the file")
    smoothed.add_argument(
        "--splits",
        type=int,
        metavar="M",
        help="write a spec that counts M splits: certain certificates in L1",
    )
    smoothed.add_argument(
        "--bands",
        type=int,
        metavar="S",
        help="write a spec that counts bands of S columns: certain ones against patches; the model "
        "takes 2 C channels",
    )
    smoothed.add_argument(
        "--blocks", type=int, metavar="S", help="likewise, of blocks of S x S pixels"
    )
    smoothed.add_argument(
        "--ablation",
        type=int,
        metavar="M",
        help="write a spec that counts M disjoint subsets of the pixels: certain certificates in "
        "L0; the model takes 2 C channels",
    )
    parser.add_argument(
        "--threshold",
        type=int,
        metavar="T",
        help="with counted views: a margin of less than T output steps is no vote",
    )
    parser.add_argument(
        "--unit", help='with a spec: what one LSB is, in words ("pixel step"), for certificates'
    )
    parser.add_argument(
        "--table",
        type=int,
        metavar="N",
        help="with --sigma: store the radii that votes of N samples certify, for devices",
    )
    parser.add_argument("--alpha", default="0.001", help="of the table (default: 0.001)")
    parser.add_argument(
        "--c-array", action="store_true", help="also write OUT.cc and OUT.h for firmware"
    )
    parser.add_argument(
        "--c99",
        type=Path,
        metavar="DIR",
        help="also write the network as C99, and the certifier with its tables for --table, "
        "--splits, --bands, --blocks or --ablation",
    )
    parser.add_argument(
        "--library",
        action="store_true",
        help="with --c99 and --table: also what CMake, ESP-IDF, Zephyr, PlatformIO and Arduino ask "
        "of a library, and examples",
    )
    parser.add_argument(
        "--family",
        metavar="F",
        help="with --c99: also what proves light:B or shift:R[:border=edge|zero|wrap] on a device",
    )
    parser.add_argument(
        "--inexact",
        action="store_true",
        help="export even what is not exact; the report says what is not",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help=f"what gives ranges and is compared; {DATA_HELP}",
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Export a model and print its report."""
    if args.table is not None and args.sigma is None:
        raise ValueError("--table holds radii, which need --sigma.")
    if args.family is not None and args.c99 is None:
        raise ValueError("--family is written beside the network's C: give --c99 DIR.")
    if args.library and (args.c99 is None or args.table is None):
        raise ValueError("--library makes a library of --c99 DIR with --table N: give both.")
    views = {kind: getattr(args, kind) for kind in ("splits", "bands", "blocks", "ablation")}
    counted = [(kind, size) for kind, size in views.items() if size is not None]
    if args.threshold is not None and not counted:
        raise ValueError(
            "--threshold is the least margin of a vote of --splits, --bands, --blocks or "
            "--ablation."
        )
    certified = args.table is not None or counted or args.family is not None
    if certified and args.c99 is not None and args.io == "uint8":
        raise ValueError(
            "the C certifier takes int8 inputs. Leave out --io uint8, or what asks for it."
        )
    check_scale("--sigma", args.sigma)
    model = load_keras(args.model, allow_code=args.allow_code)
    from qrobust.certify import SmoothingSpec, attach_spec
    from qrobust.certify import c99 as certifier_c99
    from qrobust.terminal import show
    from qrobust.verify.family_c99 import write_family
    from tflite_export import c99, export
    from tflite_export.atomic import write_bytes
    from tflite_export.c_array import save_c_array

    exported = export(
        model,
        storage=args.storage,
        io=args.io,
        input_grid=args.input_grid,
        exact=not args.inexact,
        inputs=None if args.data is None else _inputs(model, args),
    )
    tflite = exported.tflite
    if args.sigma is not None:
        tables = () if args.table is None else ((args.table, args.alpha),)
        spec = SmoothingSpec.for_model(tflite, sigma=args.sigma, unit=args.unit, tables=tables)
        tflite = attach_spec(tflite, spec)
    for kind, size in counted:
        spec = SmoothingSpec.for_views(
            tflite, kind, size, threshold=args.threshold or 0, unit=args.unit
        )
        tflite = attach_spec(tflite, spec)
    write_bytes(args.out, tflite)
    show(exported.report)
    if args.c_array:
        save_c_array(tflite, args.out.with_suffix(".cc"))
    if args.c99 is not None:
        args.c99.mkdir(parents=True, exist_ok=True)
        written = c99.write(exported, args.c99)
        if args.table is not None or counted:
            written += certifier_c99.write(tflite, args.c99)
            print(f"tables of the certifier: {_table_bytes(args.c99)} bytes")
        elif args.sigma is not None:
            print("no certifier among the C: its radii are tables, which --table N writes")
        if args.library:
            written += certifier_c99.write_project(args.c99)
        if args.family is not None:
            written += write_family(tflite, args.c99, args.family)
        print(f"C99: {', '.join(dict.fromkeys(str(path) for path in written))}")
    return 0


def _inputs(model: Any, args: argparse.Namespace) -> Any:
    return load_for(args.data, model, args.fit, allow_code=args.allow_code).x


def _table_bytes(folder: Path) -> int:
    """What the certifier's tables take of a device's flash."""
    found = re.search(r"CERTIFIER_TABLES_WORDS (\d+)u", (folder / "certifier_tables.h").read_text())
    return 0 if found is None else 4 * int(found[1])
