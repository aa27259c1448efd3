"""The command line's reader: a mistake is one line, and help that nobody got is an error."""

import argparse
import sys
from typing import Any, NoReturn

from tflite_export.printable import printable

_BAD_INPUT = 2


class CommandParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that says in a line what is wrong, and which help to read."""

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line, instead of pages of usage."""
        shown = printable(message, 1000).rstrip(".")
        self.exit(_BAD_INPUT, f"error: {shown}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is left over is refused by the command that was given it."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print it; argparse would hide that standard output is full."""
        if message:
            (sys.stderr if file is None else file).write(message)
