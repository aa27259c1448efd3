"""What the command lines share: exit statuses, errors in one line, progress."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.file.model_file import KERNELS
from qrobust.certify.inputs.expected import FITS, SQUARE
from qrobust.manners import BAD_INPUT, INTERRUPTED
from tflite_export.printable import one_line

T = TypeVar("T")

MISMATCH = 1


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print one line for bad input or an interruption, return the exit status."""
    try:
        return command()
    except CertifyError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED


def with_examples(parser: argparse.ArgumentParser, *lines: str) -> None:
    """End a command's ``--help`` with lines that can be typed as they stand."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    shown = "\n".join(["examples:", *(f"  {line}" for line in lines)])
    parser.epilog = f"{shown}\n\n{parser.epilog}" if parser.epilog else shown


def add_reading(parser: argparse._ActionsContainer) -> None:
    """Add how data are read: ``--fit`` and ``--allow-code``."""
    parser.add_argument(
        "--fit",
        choices=FITS,
        default=SQUARE,
        help="pictures of another size: cut to their centre and resized, stretched, or refused "
        f"(default: {SQUARE})",
    )
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="import and call what is named as module:function in the place of a file",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that certify and audit share."""
    parser.add_argument("--threads", type=int, help="of one process (default: its cores)")
    parser.add_argument("--kernels", choices=sorted(KERNELS), help="LiteRT kernel family")
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def check_scale(option: str, value: str | float | None) -> None:
    """Refuse less than one step of the input, which is almost surely meant on the [0, 1] scale.

    Args:
        option: its name, for the message.
        value: in LSB; None where it was not given.

    Raises:
        CertifyError: between 0 and 1, or no number.
    """
    number = None if value is None else rational(value, option)
    if number is not None and 0 < number < 1:
        raise CertifyError(
            f"{option} is in LSB, steps of the input grid, and {value} is less than one; on the "
            f"[0, 1] scale of 8-bit pixels it would be {option} {float(number * 255):g}"
        )


def bar(items: Iterable[T], total: int, quiet: bool, unit: str) -> Any:
    """Return the items under a progress bar on standard error."""
    from tqdm import tqdm

    # None: no bar where standard error is not a terminal.
    return tqdm(items, total=total, unit=unit, disable=quiet or None, file=sys.stderr)
