"""The ``qrobust`` command: argument parsing only; each subcommand loads what it needs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qrobust.quiet import quiet_imports

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    # TensorFlow's start-up messages say nothing about what was asked.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        status: int = args.run(args)
    except ModuleNotFoundError as error:
        print(
            f"error: '{error.name}' is not installed. pip install 'qrobust[train,report]' brings "
            f"all that this command needs.",
            file=sys.stderr,
        )
        return _BAD_INPUT
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_INPUT
    return status


def _parser() -> argparse.ArgumentParser:
    from qrobust.certify import cli as certify

    parser = argparse.ArgumentParser(
        prog="qrobust",
        description="Robust, deeply quantized Keras models, certified on the device.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    quickstart = commands.add_parser(
        "quickstart", help="digits: train, export, prove parity, certify, report"
    )
    quickstart.add_argument("--out", type=Path, default=Path("quickstart"), metavar="DIR")
    quickstart.add_argument("--seed", type=int, default=0)
    quickstart.set_defaults(run=_quickstart)

    certifying = commands.add_parser("certify", help="certify a data set with a .tflite")
    certify.add_certify_arguments(certifying)
    certifying.set_defaults(run=certify.run_certify)

    auditing = commands.add_parser("audit", help="re-run certificates from their journal")
    certify.add_audit_arguments(auditing)
    auditing.set_defaults(run=certify.run_audit)
    return parser


def _quickstart(args: argparse.Namespace) -> int:
    with quiet_imports():
        from qrobust.quickstart.run import Settings, quickstart

    quickstart(args.out, Settings(seed=args.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
