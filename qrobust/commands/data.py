"""``qrobust data``: look at data, and write them as arrays."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.commands.common import add_reading
from qrobust.commands.inputs import DATA_HELP, load_for

HELP = "look at data as a network takes them, or write them as .npz"
_MOST_SIDE = 1 << 14


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    looking = _action(actions, "inspect", "shapes, ranges, classes and what looks wrong")
    writing = _action(actions, "convert", "write inputs as a network takes them, x and y, as .npz")
    for action in (looking, writing):
        action.add_argument("data", metavar="DATA", help=DATA_HELP)
    writing.add_argument("out", type=Path, metavar="OUT.npz", help="the file to write")
    for action in (looking, writing):
        wanted = action.add_mutually_exclusive_group()
        wanted.add_argument(
            "--model", type=Path, metavar="MODEL", help="whose inputs they are (.tflite, .keras)"
        )
        wanted.add_argument(
            "--shape", type=_shape, metavar="HxWxC", help="of one picture, where there is no model"
        )
        add_reading(action)
    looking.add_argument("--json", action="store_true", help="print what was found as JSON")
    looking.set_defaults(act=_inspect)
    writing.set_defaults(act=_convert)


def _action(actions: Any, name: str, what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    status: int = args.act(args)
    return status


def _shape(text: str) -> tuple[int, ...]:
    parts = text.lower().split("x")
    if not all(part.isdecimal() and 0 < int(part) <= _MOST_SIDE for part in parts):
        raise argparse.ArgumentTypeError(f"a shape is HxWxC, as 32x32x3; received {text!r}")
    return tuple(int(part) for part in parts)


def _load(args: argparse.Namespace) -> Any:
    from qrobust.certify.inputs import Expected, load_inputs

    if args.model is not None:
        return load_for(args.data, args.model, args.fit, allow_code=args.allow_code)

    def expected() -> Expected:
        if args.shape is None:
            raise ValueError(
                f"'{args.data}' is no array: say what it is brought to, --model MODEL or --shape "
                "HxWxC"
            )
        return Expected(args.shape, fit=args.fit)

    return load_inputs(args.data, expected, allow_code=args.allow_code)


def _inspect(args: argparse.Namespace) -> int:
    found = described(_load(args))
    if args.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        if name != "warnings":
            print(f"{name}: {value}")
    for warning in found["warnings"]:
        print(f"warning: {warning}")
    return 0


def described(data: Any) -> dict[str, Any]:
    """What there is to say of inputs and labels.

    Args:
        data: a `qrobust.certify.Data`.

    Returns:
        images, shape, dtype, minimum, maximum, distinct values, classes (number -> inputs), the
        digest that journals name, and warnings.
    """
    x, y = data.x, data.y
    finite = x.dtype.kind != "f" or bool(np.isfinite(x).all())
    distinct = len(np.unique(x[: min(len(x), 200)]))
    found: dict[str, Any] = {
        "inputs": len(x),
        "shape": list(x.shape[1:]),
        "dtype": str(x.dtype),
        "minimum": x.min().item(),
        "maximum": x.max().item(),
        "distinct values (first 200 inputs)": distinct,
        "classes": None,
        "sha256": data.sha256,
        "warnings": [],
    }
    warnings = found["warnings"]
    if not finite:
        warnings.append("x holds values that are no finite numbers")
    if x.dtype.kind == "f" and 0 <= found["minimum"] and found["maximum"] <= 1:
        warnings.append(
            "x lies in [0, 1]: networks of this package read pixels, 0 to 255, unless they were "
            'exported with input_grid="unit"'
        )
    rows = np.unique(x.reshape(len(x), -1), axis=0)
    if len(rows) < len(x):
        warnings.append(f"{len(x) - len(rows)} inputs stand more than once")
    if y is None:
        warnings.append("no labels: certificates are of labels, not of accuracy")
        return found
    numbers, counts = np.unique(y, return_counts=True)
    found["classes"] = {int(n): int(count) for n, count in zip(numbers, counts, strict=True)}
    if len(numbers) == 1 < len(x):
        warnings.append(f"every input has the label {numbers[0]}")
    if numbers.min() < 0:
        warnings.append(f"labels below 0: {numbers.min()}")
    missing = sorted(set(range(int(numbers.max()) + 1)) - set(numbers.tolist()))
    if missing:
        warnings.append(f"no input has label {', '.join(map(str, missing[:10]))}")
    return found


def _convert(args: argparse.Namespace) -> int:
    from tflite_export.atomic import replacing

    if args.out.exists() and os.path.exists(args.data) and args.out.samefile(args.data):
        raise ValueError(f"'{args.out}' is DATA itself, which stays as it is: name another file")
    data = _load(args)
    arrays = {"x": data.x} | ({} if data.y is None else {"y": data.y})
    with replacing(args.out) as beside:
        np.savez_compressed(beside, **arrays)
    labels = "with labels" if data.y is not None else "without labels"
    print(f"{args.out}: {len(data)} inputs of shape {data.x.shape[1:]}, {labels}")
    return 0
