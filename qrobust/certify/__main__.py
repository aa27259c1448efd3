"""``python -m qrobust.certify``."""

import sys
from collections.abc import Callable


def _load() -> Callable[[], int]:
    from qrobust.certify.cli import main

    return main


if __name__ == "__main__":
    from qrobust.manners import behave

    sys.exit(behave(_load))
