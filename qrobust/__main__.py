"""``python -m qrobust``: the command ``qrobust``."""

import sys

from qrobust.cli import main

if __name__ == "__main__":
    sys.exit(main())
