"""``python -m qrobust.certify``."""

import sys

from qrobust.certify.cli import main

if __name__ == "__main__":
    sys.exit(main())
