"""``python -m qrobust.certify``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's, without its import: see qrobust
if TYPE_CHECKING:
    from collections.abc import Callable


def _load() -> Callable[[], int]:
    from qrobust.certify.cli import main

    return main


if __name__ == "__main__":
    from qrobust.first_moment import take_signals

    take_signals()
    from qrobust.manners import behave

    sys.exit(behave(_load))
