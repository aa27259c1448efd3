"""Options of ``qrobust`` itself: its version, and completion in a shell."""

import argparse
from typing import Any

from qrobust.version import __version__

_SHELLS = ("bash", "zsh", "tcsh")


def add_global_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--version`` and ``--completion SHELL``; both print and exit."""
    said = f"qrobust {__version__}"
    parser.add_argument("--version", action="version", version=said, help="print it and exit")
    parser.add_argument(
        "--completion",
        action=_Completion,
        choices=_SHELLS,
        help="print a script that completes commands and options in your shell",
    )


class _Completion(argparse.Action):
    """Prints what shtab, of the extra [terminal], makes of the parser."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, shell: Any, option: Any = None
    ) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            parser.error("--completion needs shtab: pip install 'qrobust[terminal]'")
        print(shtab.complete(parser, shell=shell))
        parser.exit()
