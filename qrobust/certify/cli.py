"""``python -m qrobust.certify``: the command lines of a device, without the rest of qrobust.

Exit status: 0 when all is well, 1 when an audit finds a certificate that does not stand, 2 for bad
input (one line on standard error), 130 when interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from qrobust.certify.commands.audit import add_audit_arguments, run_audit_command
from qrobust.certify.commands.certify import add_certify_arguments, run_certify
from qrobust.certify.commands.report import add_report_arguments, run_report
from qrobust.command_parser import CommandParser

_Add = Callable[[argparse.ArgumentParser], None]
_Run = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m qrobust.certify``: certify, or the command named first."""
    arguments = sys.argv[1:] if arguments is None else arguments
    program = "python -m qrobust.certify"
    commands: dict[str, tuple[_Add, _Run, str]] = {
        "audit": (add_audit_arguments, run_audit_command, "Check certificates."),
        "report": (add_report_arguments, run_report, "Plot and tabulate certificates."),
    }
    if arguments and arguments[0] in commands:
        add, run, description = commands[arguments[0]]
        parser = CommandParser(prog=f"{program} {arguments[0]}", description=description)
        add(parser)
        return run(parser.parse_args(arguments[1:]))
    parser = CommandParser(
        prog=program,
        description="Certify an integer .tflite classifier by randomized smoothing.",
        epilog=f"See also: {program} audit --help, {program} report --help",
    )
    add_certify_arguments(parser)
    return run_certify(parser.parse_args(arguments))
