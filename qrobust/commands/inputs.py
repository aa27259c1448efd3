"""Data of the commands: arrays, pictures, sounds, folders and tables, for a network."""

import argparse
from pathlib import Path
from typing import Any

from qrobust.certify.inputs.expected import FITS, SQUARE

DATA_HELP = "inputs: .npz (x, y), .npy, a picture or WAV file, a folder of them or of classes, .csv"


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Add ``--fit``."""
    parser.add_argument(
        "--fit",
        choices=FITS,
        default=SQUARE,
        help="pictures of another size: cut to their centre and resized, stretched, or refused "
        f"(default: {SQUARE})",
    )


def load_for(
    path: str | Path,
    model: str | Path,
    fit: str = SQUARE,
    *,
    allow_code: bool = False,
    rows: int | None = None,
) -> Any:
    """Read data for a network, see ``qrobust.certify.load_inputs``.

    Args:
        path: of the data.
        model: a ``.tflite`` or a Keras model, which pictures are brought to the size of.
        fit: for pictures of another size.
        allow_code: let the path be ``module:function``.
        rows: inputs that are needed, the first ones.
    """
    from qrobust.certify.inputs import Expected, expected_by, load_inputs

    def expected() -> Expected:
        if Path(model).suffix == ".tflite":
            return expected_by(str(model), fit)
        from qrobust.load_keras import load_keras

        shape = tuple(load_keras(Path(model)).input_shape[1:])
        return Expected(shape, fit=fit)

    return load_inputs(path, expected, allow_code=allow_code, rows=rows)
