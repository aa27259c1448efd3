"""Where data sets lie."""

import os
from pathlib import Path


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder given, else the one that QROBUST_DATA names, else `./data`.

    Args:
        folder: A folder, or None.

    Returns:
        The folder; whether it exists is not looked at.
    """
    if folder is not None:
        return Path(folder)
    return Path(os.environ.get("QROBUST_DATA") or "data")
