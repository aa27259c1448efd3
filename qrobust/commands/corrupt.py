"""``qrobust corrupt``."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qrobust.commands.inputs import DATA_HELP, add_fit, load_for

HELP = "corrupt pictures or sound in five strengths and count what a .tflite still gets right"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL.tflite", help="an integer classifier")
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help=f"{DATA_HELP}; sound as .npz, x: int16 (n, 16000)",
    )
    add_fit(parser)
    parser.add_argument(
        "--kinds", nargs="+", metavar="KIND", help="of corruption (default: all that x can have)"
    )
    parser.add_argument("--images", type=int, metavar="N", help="the first N (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--trusted",
        action="store_true",
        help="run the file in this process; only files of tflite_export (default: in its own)",
    )


def run(args: argparse.Namespace) -> int:
    """Corrupt, count and print."""
    import hashlib

    from qrobust.certify.file.model_file import load_model
    from qrobust.corruptions.accuracy import Corrupted, corrupted_accuracy
    from qrobust.corruptions.corrupt import STRENGTHS
    from qrobust.corruptions.of_file import kinds_of, labels_of, prepared, usable

    if args.seed < 0:
        raise ValueError(f"--seed is at least 0. Received: {args.seed}")
    if args.images is not None and args.images < 1:
        raise ValueError(f"--images is at least 1. Received: {args.images}")
    data = load_for(args.data, args.model, args.fit, rows=args.images)
    if data.y is None:
        raise ValueError(f"'{args.data}' holds no y. Accuracy needs the true classes.")
    file = load_model(args.model, trusted=args.trusted)
    x, y = prepared(data.x[: args.images]), data.y[: args.images]
    known = kinds_of(data.x[: args.images], file)
    kinds, left_out = _chosen(args.kinds, known, usable(known))
    labels = labels_of(file)
    clean = int((labels(x) == y).sum())
    total = len(kinds) * len(STRENGTHS)
    found: list[Corrupted] = list(
        _progress(corrupted_accuracy(labels, x, y, kinds=kinds, seed=args.seed), total, args.quiet)
    )
    for kind, why in left_out.items():
        print(f"{kind} left out: {why}", file=sys.stderr)
    if args.json:
        value = {
            "model": args.model.name,
            "sha256": hashlib.sha256(file.content).hexdigest(),
            "data_sha256": data.sha256,
            "images": len(y),
            "seed": args.seed,
            "clean": clean,
            "mean_accuracy": sum(one.accuracy for one in found) / len(found),
            "corrupted": [one.to_json() for one in found],
            "left_out": left_out,
        }
        print(json.dumps(value))
    else:
        print(_text(found, clean, len(y)))
    return 0


def _chosen(
    asked: Sequence[str] | None,
    known: Sequence[str],
    usable: tuple[tuple[str, ...], dict[str, str]],
) -> tuple[tuple[str, ...], dict[str, str]]:
    if asked is None:
        return usable
    for kind in asked:
        if kind not in known:
            raise ValueError(f"--kinds are of {', '.join(known)}. Received: {kind!r}")
    return tuple(asked), {}


def _text(found: Sequence[Any], clean: int, of: int) -> str:
    from tabulate import tabulate

    from qrobust.certify.report.summary import share_interval

    low, high = share_interval(clean, of)
    rows: dict[str, list[str]] = {}
    for one in found:
        rows.setdefault(one.kind, []).append(f"{one.accuracy:.1%}")
    mean = sum(one.accuracy for one in found) / len(found)
    table = tabulate(
        [[kind, *cells] for kind, cells in rows.items()],
        ["corruption", *(f"strength {i}" for i in range(1, 6))],
        tablefmt="github",
        disable_numparse=True,
    )
    return (
        f"{of} inputs, clean {clean / of:.1%} ({low:.1%} to {high:.1%})\n\n{table}\n\n"
        f"mean over kinds and strengths: {mean:.1%}"
    )


def _progress(items: Iterator[Any], total: int, quiet: bool) -> Iterator[Any]:
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit=" corruptions", disable=quiet or None)
