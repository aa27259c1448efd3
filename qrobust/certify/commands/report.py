"""``qrobust report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from qrobust.certify.commands.common import guarded
from qrobust.certify.report.published import read_published, same_images
from qrobust.certify.report.read import read_summary
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.write_report import write_report


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``; its handler is `run_report`."""
    parser.add_argument(
        "journals",
        nargs="+",
        metavar="[NAME=]CERTS.jsonl",
        help="runs to compare; FILE.tsv is read as Cohen et al.'s table of radii on [0, 1]",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write the report")
    parser.add_argument("--radii", nargs="+", metavar="R", help="of the table, in LSB")

    parser.add_argument(
        "--same-images", action="store_true", help="compare on the images that all runs have"
    )


def run_report(args: argparse.Namespace) -> int:
    """Write a report of one or more journals; return the exit status."""
    return guarded(lambda: _report(args))


def _report(args: argparse.Namespace) -> int:
    runs: dict[str, Summary] = {}
    for text in args.journals:
        name, _, path = text.rpartition("=")
        runs[name or Path(path).stem] = (
            read_published(path) if path.lower().endswith(".tsv") else read_summary(path)
        )
    if args.same_images:
        runs = same_images(runs)
    for path in write_report(runs, args.out, radii=args.radii):
        print(path)
    return 0
