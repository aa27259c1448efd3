"""Finding a data set's files, and saying well what is missing."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from qrobust.datasets.data_folder import data_folder

PIXEL = "pixel step (inputs are 0..255)"


def find(
    folder: str | os.PathLike[str] | None,
    *,
    name: str,
    subfolders: tuple[str, ...],
    holds: Callable[[Path], bool],
    fill: str,
) -> Path:
    """The first of `folder/subfolder...` and `folder` itself that holds the data set.

    Args:
        folder: Folder to look in; None as in `data_folder`.
        name: Name of the data set, for the message.
        subfolders: Folders that the publisher's archive unpacks to.
        holds: Tells whether a folder holds the data set.
        fill: What has to be put there, as a sentence.

    Raises:
        FileNotFoundError: Nowhere; the message names the folders looked in and how to fill them.
    """
    root = data_folder(folder)
    places = [*(root / sub for sub in subfolders), root]
    for place in places:
        if place.is_dir() and holds(place):
            return place
    looked = ", ".join(str(place) for place in places)
    raise FileNotFoundError(
        f"No {name} data found. Looked in: {looked}. {fill} "
        "Another folder can be given as `folder` or in the environment variable QROBUST_DATA."
    )


def need(module: str, *, package: str) -> ModuleType:
    """Import a module that only some loaders need.

    Raises:
        ImportError: It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This loader needs the package {package}: pip install {package}"
        ) from error
