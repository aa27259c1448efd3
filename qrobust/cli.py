"""The ``qrobust`` command: argument parsing only; each subcommand loads what it needs."""

from __future__ import annotations

import sys

from qrobust.first_moment import take_signals

TYPE_CHECKING = False  # as typing's, without its import: see qrobust
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status.

    0 for success, 1 when a comparison or an audit fails, 2 for bad input, 130 when interrupted,
    141 when nobody reads the output, 143 when terminated.

    Args:
        arguments: of a call from Python; a process's own by default, which is then its whole work.
    """
    if arguments is None:
        take_signals()
    import os

    # TensorFlow's start-up messages say nothing about what was asked.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments is not None:
        return _load(arguments)()
    from qrobust.manners import behave

    return behave(lambda: _load(sys.argv[1:]))


def _load(arguments: Sequence[str]) -> Callable[[], int]:
    try:
        args = _parser().parse_args(arguments)
    except ModuleNotFoundError as error:
        status = _not_installed(error)
        return lambda: status
    return lambda: _run(args)


def _not_installed(error: ModuleNotFoundError) -> int:
    print(
        f"error: '{error.name}' is not installed. pip install "
        f"'qrobust[train,report,attacks]' brings all that this command needs.",
        file=sys.stderr,
    )
    return _BAD_INPUT


def _run(args: argparse.Namespace) -> int:
    try:
        status: int = args.run(args)
    except BrokenPipeError:
        raise  # nobody reads what is printed: no error
    except ModuleNotFoundError as error:
        return _not_installed(error)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        from qrobust.manners import OUTPUT, refusal, say

        if isinstance(error, OSError) and error.filename == OUTPUT:
            raise  # whoever owns standard output says so
        say(f"error: {refusal(error)}")
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    from pathlib import Path

    from qrobust.certify.commands import audit, certify, report
    from qrobust.certify.commands.common import with_examples
    from qrobust.command_examples import EXAMPLES
    from qrobust.command_parser import CommandParser
    from qrobust.commands import (
        attack,
        bench,
        bundle,
        certify_family,
        corrupt,
        data,
        ensemble,
        export,
        inspect,
        models,
        parity,
        plan,
        quantize,
        quickstart,
        train,
        verify,
        web,
    )
    from qrobust.global_options import add_global_options

    parser = CommandParser(
        prog="qrobust",
        description="Robust, deeply quantized Keras models, certified on the device.",
    )
    with_examples(parser, *EXAMPLES["qrobust"])
    add_global_options(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in {
        "quickstart": quickstart,
        "train": train,
        "ensemble": ensemble,
        "bundle": bundle,
        "quantize": quantize,
        "export": export,
        "inspect": inspect,
        "parity": parity,
        "attack": attack,
        "corrupt": corrupt,
        "verify": verify,
        "data": data,
        "web": web,
        "bench": bench,
        "plan": plan,
        "models": models,
    }.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        with_examples(command, *EXAMPLES[name])
        module.add_arguments(command)
        command.set_defaults(run=module.run)

    text = "certify a data set with a .tflite"
    certifying = commands.add_parser("certify", help=text, description=text)
    certify.add_certify_arguments(certifying)
    certifying.set_defaults(run=certify_family.run_certify)

    reporting = commands.add_parser("report", help="plot and tabulate journals of certificates")
    report.add_report_arguments(reporting)
    reporting.set_defaults(run=report.run_report)

    text = "check certificates, with and without their model"
    auditing = commands.add_parser("audit", help=text, description=text)
    audit.add_audit_arguments(auditing)
    auditing.add_argument("--mask", type=Path, metavar="MASK.npy", help="of proofs that have one")
    verify.add_boxes(auditing)
    certify_family.add_arguments(certifying, auditing)
    auditing.set_defaults(run=certify_family.run_audit)
    return parser


if __name__ == "__main__":
    sys.exit(main())
