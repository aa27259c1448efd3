"""``qrobust corrupt``."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qrobust.certify.commands.common import add_reading
from qrobust.commands.inputs import DATA_HELP, add_label, labels_of, load_for
from qrobust.commands.networks import NETWORK_HELP, export_first

HELP = "corrupt pictures or sound in five strengths and count what a .tflite still gets right"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL.tflite", help=f"an integer classifier{NETWORK_HELP}"
    )
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help=f"{DATA_HELP}; sound as WAV files, or .npz, x: int16 (n, 16000)",
    )
    add_reading(parser)
    add_label(parser)
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
    from qrobust.certify.run.spec_in_force import check_label
    from qrobust.corruptions.accuracy import Corrupted, corrupted_accuracy
    from qrobust.corruptions.corrupt import STRENGTHS
    from qrobust.corruptions.of_file import kinds_of, prepared, usable
    from qrobust.corruptions.of_file import labels_of as classifier_of
    from qrobust.terminal import show

    if args.seed < 0:
        raise ValueError(f"--seed is at least 0. Received: {args.seed}")
    if args.images is not None and args.images < 1:
        raise ValueError(f"--images is at least 1. Received: {args.images}")
    name = args.model.name
    with TemporaryDirectory() as folder:
        export_first(args, Path(folder, args.model.stem), kept=False)
        options = {"allow_code": args.allow_code, "samples": True, "rows": args.images}
        data = load_for(args.data, args.model, args.fit, **options)
        truth = labels_of(data, args, "Accuracy needs the true ones.")
        file = load_model(args.model, trusted=args.trusted)
    x, y = prepared(data.x[: args.images]), truth[: args.images]
    for index, label in enumerate(y):
        check_label(int(label), index, file.classes)
    known = kinds_of(data.x[: args.images], file)
    kinds, left_out = _chosen(args.kinds, known, usable(known))
    labels = classifier_of(file)
    clean = int((labels(x) == y).sum())
    total = len(kinds) * len(STRENGTHS)
    found: list[Corrupted] = list(
        _progress(corrupted_accuracy(labels, x, y, kinds=kinds, seed=args.seed), total, args.quiet)
    )
    for kind, why in left_out.items():
        print(f"{kind} left out: {why}", file=sys.stderr)
    if args.json:
        value = {
            "model": name,
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
        show(_text(found, clean, len(y)))
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
        ["corruption, strength", *map(str, range(1, 6))],
        tablefmt="simple",
        disable_numparse=True,
    )
    return (
        f"{of} inputs, clean {clean / of:.1%} ({low:.1%} to {high:.1%})\n\n{table}\n\n"
        f"mean over kinds and strengths: {mean:.1%}"
    )


def _progress(items: Iterator[Any], total: int, quiet: bool) -> Iterator[Any]:
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit=" corruptions", disable=quiet or None)
