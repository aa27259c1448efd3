"""``qrobust quickstart``."""

import argparse
import sys
from pathlib import Path

from qrobust.manners import INTERRUPTED
from qrobust.quiet import quiet_imports

HELP = "digits: train, export, prove parity, certify, report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("quickstart"),
        metavar="DIR",
        help="a new or empty folder (default: quickstart)",
    )
    parser.add_argument("--seed", type=int, help="of everything random (default: 0)")
    parser.add_argument(
        "--resume", action="store_true", help="take up an interrupted quickstart in --out"
    )


def run(args: argparse.Namespace) -> int:
    """Run the quickstart."""
    with quiet_imports():
        from qrobust.quickstart.run import quickstart

    try:
        quickstart(args.out, seed=args.seed, resume=args.resume)
    except KeyboardInterrupt:
        print(f"interrupted; --out {args.out} --resume takes it up", file=sys.stderr)
        return INTERRUPTED
    return 0
