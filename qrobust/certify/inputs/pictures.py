"""Pictures to integers: whatever Pillow reads, at the network's size and in its channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.inputs.expected import EXACT, SQUARE, Expected
from tflite_export.printable import one_line, printable

#: Endings that are taken for pictures in folders and tables.
ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)
#: Pixels of the largest picture that is opened; a bomb claims more.
MOST_PIXELS = 100_000_000
_MODES = {1: "L", 3: "RGB"}


def read_picture(path: Path, expected: Expected) -> tuple[NDArray[np.uint8], str]:
    """Return one picture as the network takes it.

    It is turned upright (EXIF), laid on white where it is transparent, brought to the network's
    channels (1: ITU-R 601 luma; 3: RGB) and, where its size is another, to the network's size:
    cut to a centred part of the right proportions ("crop") or not ("stretch"), then resized with
    Pillow's bilinear filter.

    Args:
        path: of the file.
        expected: of the network.

    Returns:
        uint8[height, width, channels], and what was done to its size, in words ("" for nothing).

    Raises:
        CertifyError: Pillow is not installed, the file is no picture, more than 8 bits a channel, a
            network that takes no pictures, or another size where ``fit`` is "exact".
    """
    height, width, mode = _wanted(expected, path)
    image, ops = _pillow()
    shown = printable(str(path))
    try:
        with image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise CertifyError(
                    f"{shown} has {opened.width} x {opened.height} pixels; at most "
                    f"{MOST_PIXELS:,} are read"
                )
            if opened.mode.startswith(("I", "F")):  # convert would cut all above 255 off
                raise CertifyError(
                    f"{shown} has more than 8 bits a channel (Pillow's mode {opened.mode}), and "
                    "how they become 0 to 255 is not known; save it with 8 bits"
                )
            picture = _opaque(ops.exif_transpose(opened), image).convert(mode)
    except CertifyError:
        raise
    except (OSError, SyntaxError, ValueError, MemoryError, image.DecompressionBombError) as error:
        raise CertifyError(f"{shown} is no readable picture: {one_line(error)}") from None
    done, (columns, rows) = "", picture.size
    if (rows, columns) != (height, width):
        if expected.fit == EXACT:
            raise CertifyError(
                f"{shown} has {columns} x {rows} pixels, the network takes {width} x {height}; "
                "resize it, or give --fit crop or --fit stretch"
            )
        if expected.fit == SQUARE:
            picture = picture.crop(_centred(columns, rows, width, height))
        picture = picture.resize((width, height), image.Resampling.BILINEAR)
        how = "cut to their centre and resized" if expected.fit == SQUARE else "stretched"
        done = f"{how} to {width} x {height}"
    array = np.asarray(picture, np.uint8).reshape(height, width, expected.shape[-1])
    return array, done


def _wanted(expected: Expected, path: Path) -> tuple[int, int, str]:
    shape = expected.shape
    if len(shape) != 3 or shape[2] not in _MODES or (expected.low, expected.high) != (0, 255):
        raise CertifyError(
            f"{printable(str(path))} is a picture; the network takes {shape} numbers from "
            f"{expected.low} to {expected.high}, not (height, width, 1 or 3) from 0 to 255"
        )
    return shape[0], shape[1], _MODES[shape[2]]


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise CertifyError(
            "pictures are read by Pillow: pip install pillow, or 'qrobust[images]'"
        ) from None
    return Image, ImageOps


def _opaque(picture: Any, image: Any) -> Any:
    if picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode not in ("RGBA", "LA", "PA"):
        return picture
    whole = picture.convert("RGBA")
    white = image.new("RGBA", whole.size, (255, 255, 255, 255))
    return image.alpha_composite(white, whole).convert("RGB")


def _centred(columns: int, rows: int, width: int, height: int) -> tuple[int, int, int, int]:
    """The largest part in the middle that is as wide as high as the network's, in whole pixels."""
    wide = max(1, min(columns, rows * width // height))
    high = max(1, min(rows, columns * height // width))
    left, top = (columns - wide) // 2, (rows - high) // 2
    return left, top, left + wide, top + high
