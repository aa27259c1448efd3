"""Data of the commands: arrays, pictures, sounds, folders and tables, for a network."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from qrobust.certify.inputs.expected import SQUARE

DATA_HELP = (
    "inputs: .npz (x, y), .npy, a picture or WAV file, a folder of them or of classes, .csv; with "
    "--allow-code module:function"
)


def load_for(
    path: str | Path,
    model: Any,
    fit: str = SQUARE,
    *,
    allow_code: bool = False,
    samples: bool = False,
    rows: int | None = None,
) -> Any:
    """Read data for a network, see ``qrobust.certify.load_inputs``.

    Args:
        path: of the data.
        model: path of a ``.tflite`` or of a Keras model, or a Keras model, which pictures are
            brought to the size of.
        fit: for pictures of another size.
        allow_code: let path and model be ``module:function``.
        samples: take sounds as they are, not as the features of a network.
        rows: inputs that are needed, the first ones.
    """
    from qrobust.certify.inputs import Expected, expected_by, load_inputs
    from qrobust.load_keras import is_keras, load_keras

    def expected() -> Expected:
        if isinstance(model, str | Path) and not is_keras(model):
            return replace(expected_by(str(model), fit), samples=samples)
        from qrobust.layers.own_grid import own_grid

        keras_model = model
        if isinstance(model, str | Path):
            keras_model = load_keras(Path(model), allow_code=allow_code)
        if len(getattr(keras_model, "inputs", None) or ()) != 1:
            raise ValueError(
                f"'{path}' is brought to the one input of a network, and '{keras_model.name}' has "
                "none of its own, or several: give arrays, .npz"
            )
        low, high, step = own_grid(keras_model)
        shape = tuple(keras_model.input_shape[1:])
        return Expected(shape, low, high, fit=fit, samples=samples, scale=step)

    return load_inputs(path, expected, allow_code=allow_code, rows=rows)


def add_label(parser: argparse.ArgumentParser) -> None:
    """Add ``--label``, for data that hold no classes; see `labels_of`."""
    parser.add_argument(
        "--label",
        metavar="CLASS",
        help="of all inputs, where DATA holds no classes: a number, or a name that the file knows",
    )


def labels_of(data: Any, args: argparse.Namespace, why: str) -> Any:
    """The true classes: those of the data, or ``--label`` for all of them.

    Args:
        data: a `qrobust.certify.Data`.
        args: of the command line, with ``data``, ``model`` and ``label``.
        why: they are needed, a sentence.

    Returns:
        int64[inputs].

    Raises:
        ValueError: neither or both were given, or a name that nobody knows.
    """
    import numpy as np

    if data.y is not None:
        if args.label is not None:
            raise ValueError(f"'{args.data}' holds classes: leave out --label.")
        return data.y
    if args.label is None:
        raise ValueError(
            f"'{args.data}' holds no y, the classes. {why} Give a folder for each class, a .csv "
            "with a column label, or --label CLASS of all."
        )
    return np.full(len(data), _class_number(args), np.int64)


def _class_number(args: argparse.Namespace) -> int:
    from qrobust.certify.inputs import expected_by
    from qrobust.load_keras import is_keras

    known = None if is_keras(args.model) else expected_by(str(args.model)).labels
    if known is not None and args.label in known:
        return known.index(args.label)
    if args.label.isdecimal():
        return int(args.label)
    names = "names no classes" if known is None else f"knows {', '.join(known)}"
    raise ValueError(f"--label is a class number, or a name: '{args.model}' {names}.")
