"""One door for data of every kind."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.inputs import pictures, sounds
from qrobust.certify.inputs.expected import Expected
from qrobust.certify.inputs.named_code import is_module_function, named_data
from qrobust.certify.run.array_files import read_npy
from qrobust.certify.run.data import Data, load_data, make_data
from tflite_export.printable import one_line, printable

_TABLES = frozenset({".csv", ".tsv"})
_MODELS = frozenset({".tflite", ".bundle", ".keras"})
_PATHS, _LABELS = ("path", "file", "filename", "image"), ("label", "class", "y")


def load_inputs(
    path: str | Path,
    expected: Callable[[], Expected],
    *,
    allow_code: bool = False,
    rows: int | None = None,
) -> Data:
    """Read inputs, and labels where they are known, from whatever holds them.

    * ``.npz``: arrays ``x`` and, where known, ``y``;
    * ``.npy``: ``x`` alone;
    * a picture or a WAV file: one input;
    * a folder of them: inputs in the order of their names, without labels;
    * a folder of one folder for each class: with labels (see `Expected.class_of`);
    * ``.csv`` or ``.tsv``: a heading, a column ``path`` (relative to the table) and, where known,
      ``label``, of names or class numbers;
    * ``module:function``, where code is allowed: called without arguments, returns ``x``,
      ``(x, y)`` or a `Data`.

    What was guessed - sizes, the order of classes - is printed on standard error.

    Args:
        path: of the data.
        expected: gives what the network expects; only called for what is no array.
        allow_code: let the path be ``module:function``, which is imported and called.
        rows: inputs that are needed, the first ones; of an ``.npz`` only they stay in memory, see
            `load_data`.

    Raises:
        CertifyError: nothing readable there, or nothing that fits the network.
        ValueError: code that is not allowed or not there.
    """
    if is_module_function(path):
        return named_data(str(path), allow_code=allow_code)
    place = Path(path)
    if place.is_dir():
        return _folder(place, expected())
    ending = place.suffix.lower()
    if ending in _MODELS:
        raise CertifyError(
            f"{printable(str(place))} is no readable .npz file or other data; it looks like a "
            "model: the model comes first, then the data"
        )
    if is_table(place):
        return _table(place, expected())
    if ending == ".npy":
        return make_data(read_npy(place, what="data"), where=printable(str(place)))
    if ending in pictures.ENDINGS or ending in sounds.ENDINGS:
        return _read([place], None, expected())
    return load_data(path, rows=rows if rows is None or rows > 0 else None)


def is_input(path: Path) -> bool:
    """Whether a file in a folder is taken for an input, by its ending; others are passed over."""
    ending = path.suffix.lower()
    return path.is_file() and (ending in pictures.ENDINGS or ending in sounds.ENDINGS)


def inputs_in(folder: Path) -> list[Path]:
    """The inputs of one class, in the order in which they are read."""
    return sorted(p for p in folder.iterdir() if is_input(p) and not p.name.startswith("."))


def _deeper(inside: list[Path]) -> str:
    """Where inputs lie one folder further down, what to give instead."""
    for folder in (p for p in inside if p.is_dir()):
        if any(inputs_in(p) for p in folder.iterdir() if p.is_dir()):
            return f"; its folder {printable(folder.name)} holds folders of them: give that one"
    return ""


def _folder(place: Path, expected: Expected) -> Data:
    shown = printable(str(place))
    inside = sorted(p for p in place.iterdir() if not p.name.startswith("."))
    files = [p for p in inside if is_input(p)]
    classes = {p: inputs_in(p) for p in inside if p.is_dir()}
    classes = {p: held for p, held in classes.items() if held}
    if files and classes:
        raise CertifyError(
            f"{shown} holds inputs and folders of inputs; are the folders classes or not? Give one "
            "of the two"
        )
    if files:
        return _read(files, None, expected)
    if not classes:
        raise CertifyError(f"{shown} holds no pictures and no WAV files{_deeper(inside)}")
    names = tuple(p.name for p in classes)
    paths = [q for held in classes.values() for q in held]
    called = [p.name for p, held in classes.items() for _ in held]
    return _read(paths, _classes(called, names, expected), expected)


def _classes(called: Sequence[str], names: tuple[str, ...], expected: Expected) -> list[int]:
    numbers = {name: expected.class_of(name, tuple(sorted(names))) for name in names}
    if expected.labels is None and not all(name.isdecimal() for name in names):
        order = ", ".join(f"{n} = {name}" for name, n in sorted(numbers.items()))
        print(f"classes, in the order of their names: {printable(order)}", file=sys.stderr)
    if expected.labels is None and [*map(numbers.get, sorted(names))] != sorted(numbers.values()):
        print(
            "class names are numbers and taken as such; what sorts them as text (Keras's "
            f"image_dataset_from_directory) counts {', '.join(sorted(names)[:4])}, ...",
            file=sys.stderr,
        )
    return [numbers[name] for name in called]


def is_table(path: Path) -> bool:
    """Whether a file is taken for a table of paths, by its ending."""
    return path.suffix.lower() in _TABLES


def _table(path: Path, expected: Expected) -> Data:
    paths, called = table_rows(path)
    if called is None:
        return _read(paths, None, expected)
    names = tuple(sorted(set(called)))
    return _read(paths, _classes(called, names, expected), expected)


def table_rows(path: Path) -> tuple[list[Path], list[str] | None]:
    """The inputs that a table names, and what it calls their classes, where it does.

    Args:
        path: ``.csv`` or ``.tsv`` with a heading; paths in it are relative to it.

    Raises:
        CertifyError: no such table, or rows that are shorter or longer than the heading.
    """
    shown = printable(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CertifyError(f"cannot read {shown}: {one_line(error)}") from None
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise CertifyError(f"{shown} is no table: {one_line(error)}") from None
    heading = list(rows[0]) if rows else []
    where = next((name for name in _PATHS if name in heading), None)
    label = next((name for name in _LABELS if name in heading), None)
    if where is None:
        raise CertifyError(
            f"{shown} needs a heading with a column {' or '.join(_PATHS)}, received "
            f"{printable(', '.join(map(str, heading))) or 'nothing'}"
        )
    for number, row in enumerate(rows, 2):
        if not row[where] or (label is not None and not row[label]) or None in row:
            raise CertifyError(f"{shown}, line {number}: not as many cells as the heading has")
    paths = [path.parent / row[where] for row in rows]
    return paths, None if label is None else [row[label].strip() for row in rows]


def _read(paths: Sequence[Path], labels: list[int] | None, expected: Expected) -> Data:
    x: list[NDArray[Any]] = []
    done: Counter[str] = Counter()
    for path in paths:
        sound = path.suffix.lower() in sounds.ENDINGS
        values, how = (sounds.read_sound if sound else pictures.read_picture)(path, expected)
        x.append(values)
        done[how] += 1
    for how, number in done.items():
        if how:
            print(f"{number} of {len(paths)} inputs {how}", file=sys.stderr)
    y = None if labels is None else np.array(labels, np.int64)
    return make_data(np.stack(x), y, where=printable(str(paths[0].parent)))
