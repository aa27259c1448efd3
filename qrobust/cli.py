"""The ``qrobust`` command: argument parsing only; each subcommand loads what it needs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status.

    0 for success, 1 when a comparison or an audit fails, 2 for bad input, 130 when interrupted.
    """
    # TensorFlow's start-up messages say nothing about what was asked.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    args = _parser().parse_args(arguments)
    try:
        status: int = args.run(args)
    except ModuleNotFoundError as error:
        print(
            f"error: '{error.name}' is not installed. pip install "
            f"'qrobust[train,report,attacks]' brings all that this command needs.",
            file=sys.stderr,
        )
        return _BAD_INPUT
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    from qrobust.certify import cli as certify
    from qrobust.commands import attack, export, inspect, parity, quickstart, train, verify

    parser = argparse.ArgumentParser(
        prog="qrobust",
        description="Robust, deeply quantized Keras models, certified on the device.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in {
        "quickstart": quickstart,
        "train": train,
        "export": export,
        "inspect": inspect,
        "parity": parity,
        "attack": attack,
        "verify": verify,
    }.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)

    certifying = commands.add_parser("certify", help="certify a data set with a .tflite")
    certify.add_certify_arguments(certifying)
    certifying.set_defaults(run=certify.run_certify)

    reporting = commands.add_parser("report", help="plot and tabulate journals of certificates")
    certify.add_report_arguments(reporting)
    reporting.set_defaults(run=certify.run_report)

    auditing = commands.add_parser("audit", help="check certificates, with and without their model")
    certify.add_audit_arguments(auditing)
    auditing.add_argument("--mask", type=Path, metavar="MASK.npy", help="of proofs that have one")
    auditing.set_defaults(run=verify.run_audit)
    return parser


if __name__ == "__main__":
    sys.exit(main())
