"""``qrobust quickstart``."""

import argparse
from pathlib import Path

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
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Run the quickstart."""
    with quiet_imports():
        from qrobust.quickstart.run import Settings, quickstart

    quickstart(args.out, Settings(seed=args.seed))
    return 0
