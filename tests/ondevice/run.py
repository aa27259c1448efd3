"""Starts the on-device runs: python tests/ondevice/run.py MODEL.tflite INPUTS.npz."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ondevice.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
