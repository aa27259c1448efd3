"""``qrobust web``."""

from __future__ import annotations

import argparse
from pathlib import Path

from qrobust.certify.commands.common import add_reading, check_scale
from qrobust.commands.inputs import DATA_HELP, load_for

HELP = "write a static page that certifies pictures with a .tflite in the browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("out", type=Path, metavar="DIR", help="folder of the page")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="M.tflite",
        help="an exact classifier of pictures, with int8 inputs and outputs",
    )
    parser.add_argument(
        "--samples", type=Path, metavar="DATA", help=f"pictures to choose from; {DATA_HELP}"
    )
    parser.add_argument(
        "--first", type=int, default=20, metavar="K", help="of the samples, the first (default: 20)"
    )
    add_reading(parser)
    parser.add_argument("--name", help="of the network (default: its file's folder)")
    parser.add_argument(
        "--labels", metavar="A,B,...", help="names of the classes (default: the file's, or numbers)"
    )
    parser.add_argument("--sigma", metavar="LSB", help="of the noise, where the file has no spec")
    parser.add_argument(
        "-n",
        type=int,
        nargs="+",
        default=None,
        help="numbers of noisy copies to offer (default: 1000 10000)",
    )
    parser.add_argument(
        "--n0", type=int, default=100, help="copies that choose the class (default: 100)"
    )
    parser.add_argument("--alpha", default="0.001", help="error probability (default: 0.001)")


def run(args: argparse.Namespace) -> int:
    """Write the page and say how to look at it."""
    from qrobust.certify.run.data import Data
    from qrobust.web import write_page
    from qrobust.web.write_page import SAMPLES

    check_scale("--sigma", args.sigma)
    samples = None
    if args.samples is not None:
        data = load_for(args.samples, args.model, args.fit, allow_code=args.allow_code)
        samples = Data(data.x[: args.first], None if data.y is None else data.y[: args.first])
    written = write_page(
        args.model,
        args.out,
        name=args.name or args.model.resolve().parent.name,
        pilot=args.n0,
        n=args.n or SAMPLES,
        alpha=args.alpha,
        sigma=args.sigma,
        labels=None if args.labels is None else args.labels.split(","),
        samples=samples,
    )
    total = sum(path.stat().st_size for path in written)
    print(f"{args.out}: {len(written)} files, {total:,} bytes")
    print(f"look at it: python -m http.server -b 127.0.0.1 -d {args.out} 8000")
    return 0
