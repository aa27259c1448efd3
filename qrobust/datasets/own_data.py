"""Data of one's own: a folder of pictures or sounds, or an ``.npz`` file."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify import CertifyError, load_data
from qrobust.certify.inputs import Expected, load_inputs
from qrobust.certify.inputs.load import inputs_in, is_table, table_rows
from qrobust.certify.run.array_files import names_in, read_npz
from qrobust.datasets._layout import PIXEL
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

_PARTS = ("train", "test")
_SIGNED = "feature step (inputs are -128..127)"


def own_data(
    path: str | os.PathLike[str],
    shape: tuple[int, ...] = (),
    *,
    test_share: float = 0.2,
    fit: str = "crop",
    seed: int = 0,
) -> Dataset:
    """Read data of one's own.

    * a folder with `train` and `test`, each of one folder per class, of pictures or WAV files;
    * a folder of one folder per class: in each class about `test_share` of the files, in the order
      of SHA-1("seed/class/file"), become the test part;
    * a `.csv` or `.tsv` table with columns `path` and `label`, split as a folder of the classes;
    * an `.npz` file with `x_train`, `y_train`, `x_test`, `y_test`, or with `x` and `y`, of which
      the last `test_share` is the test part, in the order of a permutation of `seed`.

    Args:
        path: Folder or file.
        shape: Of one picture, height, width and 1 or 3 channels; not needed of arrays.
        test_share: Between 0 and 1, of data that are not split yet.
        fit: For pictures of another size: "crop", "stretch" or "exact".
        seed: Chooses the split.

    Returns:
        uint8 pictures, int8 features of sounds, or the integers of the arrays.

    Raises:
        ValueError: Nothing readable there, no labels, no integers, or classes that differ between
            the parts.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share lies between 0 and 1. Received: {test_share}")
    place = Path(path)
    try:
        table = place.is_file() and is_table(place)
        if not (table or place.is_dir()):
            return _arrays(place, test_share, seed)
        if not shape:
            raise ValueError(f"'{place}' holds files: give the shape that they are brought to.")
        if table:
            return _table(place, tuple(shape), test_share, fit, seed)
        return _folders(place, tuple(shape), test_share, fit, seed)
    except CertifyError as error:
        raise ValueError(str(error)) from None


def _arrays(path: Path, test_share: float, seed: int) -> Dataset:
    if not path.is_file():
        raise ValueError(f"'{path}' is no folder and no file.")
    split = [f"{key}_{part}" for part in _PARTS for key in "xy"]
    if set(split) <= names_in(path):
        held, _ = read_npz(path, split)
        parts = [Split(held[f"x_{part}"], held[f"y_{part}"]) for part in _PARTS]
    else:
        data = load_data(path)
        if data.y is None:
            raise ValueError(f"'{path}' holds no y: training needs the true classes.")
        order = np.random.default_rng(seed).permutation(len(data))
        tests = max(1, round(test_share * len(data)))
        cuts = order[:-tests], order[-tests:]
        parts = [Split(data.x[np.sort(cut)], data.y[np.sort(cut)]) for cut in cuts]
    classes = 1 + max(int(part.y.max()) for part in parts)
    return _dataset(path.stem, parts, tuple(map(str, range(classes))))


def _folders(
    place: Path, shape: tuple[int, ...], test_share: float, fit: str, seed: int
) -> Dataset:
    folders = {part: place / part for part in _PARTS}
    split = all(folder.is_dir() for folder in folders.values())
    roots = folders if split else {"train": place}
    names = tuple(sorted({p.name for root in roots.values() for p in root.iterdir() if p.is_dir()}))
    pictures = not any(place.rglob("*.wav"))
    low, high = (0, 255) if pictures else (-128, 127)
    expected = Expected(shape, low, high, labels=names, fit=fit)
    parts: list[Any]
    if split:
        loaded = [load_inputs(folder, lambda: expected) for folder in folders.values()]
        pairs = zip(loaded, folders.values(), strict=True)
        parts = [_labelled(data, folder) for data, folder in pairs]
    else:
        whole = load_inputs(place, lambda: expected)
        is_test = _tests(place, names, test_share, seed)
        part = _labelled(whole, place)
        if len(is_test) != len(part.y):
            raise ValueError(f"'{place}' holds other files than pictures or sounds of classes.")
        parts = [Split(part.x[chosen], part.y[chosen]) for chosen in (~is_test, is_test)]
    return _dataset(place.name or "own", parts, names)


def _table(place: Path, shape: tuple[int, ...], test_share: float, fit: str, seed: int) -> Dataset:
    paths, called = table_rows(place)
    if called is None:
        raise ValueError(f"'{place}' has no column label: training needs the true classes.")
    names = tuple(sorted(set(called)))
    if len(set(paths)) < len(paths):
        raise ValueError(f"'{place}' names a file twice, which could be in both parts.")
    sounds = all(path.suffix.lower() == ".wav" for path in paths)
    low, high = (-128, 127) if sounds else (0, 255)
    whole = _labelled(
        load_inputs(place, lambda: Expected(shape, low, high, labels=names, fit=fit)), place
    )
    is_test = np.zeros(len(paths), bool)
    for name in names:
        own = [i for i, other in enumerate(called) if other == name]
        orders = [_order(seed, name, paths[i].name) for i in own]
        is_test[[own[i] for i in _held_out(orders, test_share, name)]] = True
    parts = [Split(whole.x[chosen], whole.y[chosen]) for chosen in (~is_test, is_test)]
    return _dataset(place.stem, parts, names)


def _held_out(orders: list[str], share: float, name: str) -> list[int]:
    """Which inputs of a class are tests: the first in an order that is theirs."""
    if len(orders) == 1:
        raise ValueError(f"class '{name}' holds one input: none is left to test on.")
    tests = min(max(1, round(share * len(orders))), len(orders) - 1)
    return sorted(range(len(orders)), key=orders.__getitem__)[:tests]


def _labelled(data: Any, where: Path) -> Split:
    if data.y is None:
        raise ValueError(f"'{where}' has no folders of classes: training needs the true classes.")
    return Split(data.x, data.y)


def _tests(place: Path, names: tuple[str, ...], share: float, seed: int) -> Any:
    """Whether each file, in the order in which `load_inputs` reads them, is a test."""
    chosen: list[bool] = []
    for name in names:
        files = inputs_in(place / name)
        held = _held_out([_order(seed, name, p.name) for p in files], share, name)
        chosen += [i in held for i in range(len(files))]
    return np.array(chosen, bool)


def _order(seed: int, name: str, file: str) -> str:
    text = f"{seed}/{name}/{file}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _dataset(name: str, parts: list[Split], names: tuple[str, ...]) -> Dataset:
    train, test = parts
    for part in parts:
        if part.x.dtype not in (np.uint8, np.int8):
            raise ValueError(
                f"inputs are uint8 pixels or int8 features. Received: {part.x.dtype}, "
                f"{part.x.min()} to {part.x.max()}"
            )
    unit = PIXEL if train.x.dtype == np.uint8 else _SIGNED
    return Dataset(name=name, train=train, test=test, class_names=names, unit=unit)
