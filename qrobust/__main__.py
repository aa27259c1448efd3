"""``python -m qrobust``: the command ``qrobust``."""

import sys

if __name__ == "__main__":
    from qrobust.first_moment import take_signals

    take_signals()
    from qrobust.cli import main

    sys.exit(main())
