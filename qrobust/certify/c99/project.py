"""What build systems ask of a folder of C: CMake, ESP-IDF, Zephyr, PlatformIO, Arduino."""

from __future__ import annotations

import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export.atomic import write_text

#: What the examples include: they certify with a radius table.
_NEEDED = ("model.h", "model.c", "qrobust_certify.h", "certifier_tables.h")


def write_project(folder: str | os.PathLike[str]) -> list[Path]:
    """Make a folder of generated C a library of five build systems, with an example for each kind.

    Beside the sources: ``CMakeLists.txt`` (CMake and ESP-IDF), ``zephyr/``, ``library.json``
    (PlatformIO), ``library.properties`` (Arduino), ``examples/plain/main.c`` and
    ``examples/certify/certify.ino``.

    Args:
        folder: that holds the network (``tflite_export.c99.write``) and the certifier with a
            radius table (``qrobust.certify.c99.write``).

    Returns:
        The files written.

    Raises:
        CertifyError: network or certifier are not there, or a file cannot be written.
    """
    target = Path(folder)
    missing = [name for name in _NEEDED if not (target / name).is_file()]
    if missing:
        raise CertifyError(
            f"{target} holds no {', '.join(missing)}; write the network and a certifier with a "
            "radius table first: qrobust export M.keras M.tflite --sigma S --table N --c99 DIR"
        )
    root = resources.files(__package__) / "project"
    written = []
    try:
        for path, text in _texts(root, ()):
            place = target.joinpath(*path)
            place.parent.mkdir(parents=True, exist_ok=True)
            written.append(write_text(place, text))
    except OSError as error:
        raise CertifyError(f"cannot write to {target}: {error.strerror}") from None
    return written


def _texts(place: Traversable, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Path and text of every file below a folder of this package."""
    found = []
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        here = (*path, entry.name)
        if entry.is_dir():
            found += _texts(entry, here)
        else:
            found.append((here, entry.read_text(encoding="utf-8")))
    return found
