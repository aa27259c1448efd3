"""The bytes of a model's file: what is none, or is endless, is refused before it is read."""

from __future__ import annotations

import os

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import is_bundle
from qrobust.certify.file.other_kinds import road_from
from tflite_export.printable import printable

#: Bytes that a model may have; a microcontroller holds a thousandth of them.
MOST_BYTES = 1 << 29
#: What stands at offset 4 of every ``.tflite``.
_TFLITE = b"TFL3"
_BEGINNING = 8


def model_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return what a ``.tflite`` file or a bundle holds.

    Args:
        path: of the file, or of a pipe.

    Raises:
        CertifyError: it cannot be read, is neither, or has more than `MOST_BYTES`.
    """
    name = printable(os.fspath(path))
    try:
        with open(path, "rb") as file:
            content = file.read(_BEGINNING)
            known = content[4:] == _TFLITE or is_bundle(content)
            if known:
                content += file.read(MOST_BYTES)
    except OSError as error:
        folder = "; the model comes first, then the data" if os.path.isdir(path) else ""
        raise CertifyError(f"cannot read the model {name}: {error.strerror}{folder}") from None
    if not known:
        raise CertifyError(
            f"{name}: not a .tflite file: the identifier TFL3 is missing{road_from(name)}"
        )
    if len(content) > MOST_BYTES:
        raise CertifyError(f"{name}: a model has at most {MOST_BYTES:,} bytes")
    return content
