"""The command line of the on-device runs."""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .cache import CACHE_VARIABLE, default_cache
from .compare import Comparison, compare_targets
from .targets import DEFAULT_TARGETS, TARGETS

_EXIT_EQUAL, _EXIT_DIFFERS, _EXIT_USAGE, _EXIT_SKIPPED = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status (see `--help`)."""
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ondevice").setLevel(logging.WARNING if options.quiet else logging.INFO)
    try:
        with np.load(options.inputs) as archive:
            inputs = archive["x"][: options.limit]
        runtimes = [TARGETS[name]() for name in options.targets]
        found = list(compare_targets(runtimes, options.model, inputs, options.cache))
    except (OSError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _EXIT_USAGE
    if options.json:
        print(json.dumps([dataclasses.asdict(result) for result in found], indent=2))
    else:
        print(table(found))
    return exit_status(found, strict=options.strict)


def exit_status(found: Sequence[Comparison], *, strict: bool = False) -> int:
    """Returns what `--help` promises for these results, the first of which is native."""
    devices = {result.status for result in found[1:]}
    if devices & {"differs", "failed"}:
        return _EXIT_DIFFERS
    if "equal" not in devices or (strict and "skipped" in devices):
        return _EXIT_SKIPPED
    return _EXIT_EQUAL


def table(found: Sequence[Comparison]) -> str:
    """Returns the results as aligned text."""
    rows = [("target", "inputs", "integers", "differing", "seconds", "inputs/s", "runtime")]
    for result in found:
        if result.seconds is None:
            numbers = ("-",) * 5
            # The first line; --json has the stack trace that may follow.
            note = f"{result.status}: {(result.reason or '').partition(chr(10))[0]}"
        else:
            rate = result.inputs / max(result.seconds, 1e-9)
            numbers = (
                str(result.inputs),
                str(result.integers),
                str(result.differing),
                f"{result.seconds:.1f}",
                f"{rate:.0f}",
            )
            note = result.version
            if result.status == "differs":
                note += (
                    f"; DIFFERS from input {result.first_differing_input} on, "
                    f"by up to {result.largest_difference}"
                )
        rows.append((result.target, *numbers, note))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:6], widths[1:], strict=True)]
        lines.append("  ".join([*cells, row[6]]))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Run a .tflite on other devices' runtimes and compare every output integer "
        "with native LiteRT's.",
        epilog="Exit status: 0 all that ran are equal; 1 an integer differs or a runtime "
        "crashed; 2 wrong use; 3 nothing could be compared (with --strict: a target was skipped).",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("inputs", type=Path, metavar="INPUTS.npz", help="integers, under key x")
    parser.add_argument(
        "--targets",
        type=_targets,
        default=list(DEFAULT_TARGETS),
        metavar="LIST",
        help=f"comma-separated, of {', '.join(TARGETS)} (default: {','.join(DEFAULT_TARGETS)})",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        metavar="DIR",
        help=f"keeps what is installed (default: {default_cache()}; ${CACHE_VARIABLE} sets it)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use the first N inputs only")
    parser.add_argument("--strict", action="store_true", help="a skipped target is a failure")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _targets(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in TARGETS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(TARGETS)}. Received: {text!r}")
    return names
