"""A ``.tflite`` under corruptions of what it is for: pictures, or sound before its features."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.file.model_file import ModelFile
from qrobust.corruptions.corrupt import available
from qrobust.corruptions.pictures import PICTURES
from qrobust.corruptions.sounds import SOUNDS
from qrobust.verify.predict import Predictor

_FEATURES = (49, 10, 1)
_ROWS = 256


def kinds_of(x: NDArray[Any], file: ModelFile) -> tuple[str, ...]:
    """The kinds that some inputs of a file can have, by what the inputs are.

    Args:
        x: [n, ...]: int16[n, 16000] is sound for a file of 49 x 10 features; integers of the
            file's own shape, (height, width, 1 or 3), on a grid from 0 to 255 are pictures.
        file: that they are for.

    Raises:
        ValueError: inputs that are neither. Features of sound are no pictures: nothing that
            happens to sound is a blur of them.
    """
    x = np.asarray(x)
    if x.ndim == 2 and x.dtype == np.int16 and file.shape == _FEATURES:
        return tuple(SOUNDS)
    pixels = (file.grid.low, file.grid.high) == (0, 255)
    picture = len(file.shape) == 3 and file.shape[2] in (1, 3) and x.shape[1:] == file.shape
    if picture and pixels and x.dtype.kind in "iu":
        if x.min() < 0 or x.max() > 255:
            raise ValueError(f"pixels are 0 to 255. Received: {x.min()} to {x.max()}")
        return tuple(PICTURES)
    if file.shape == _FEATURES:
        raise ValueError(
            "the file takes features of sound, which no corruption is made for: give the sound "
            f"itself, int16 of shape (n, 16000). Received: {x.dtype} of shape {x.shape}"
        )
    raise ValueError(
        f"corruptions are of pixels 0 to 255, integers of shape (n, height, width, 1 or 3), or of "
        f"sound. Received: {x.dtype} of shape {x.shape} for a file of {file.shape} in "
        f"{file.grid.low}..{file.grid.high}"
    )


def prepared(x: NDArray[Any]) -> NDArray[Any]:
    """Inputs in the dtype that `corrupt` takes; call `kinds_of` before."""
    x = np.asarray(x)
    return x if x.ndim == 2 else x.astype(np.uint8)


def labels_of(file: ModelFile) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The classes that a file gives; sound goes through the features of ``qrobust.audio``.

    Ties go to the lowest index. The file runs in a child with limits, unless it is trusted.
    """
    predictor = Predictor(file)
    features = _front_end(file)

    def labels(x: NDArray[Any]) -> NDArray[Any]:
        given = []
        for start in range(0, len(x), _ROWS):
            part = x[start : start + _ROWS]
            integers = features(part) if x.ndim == 2 else part
            given.append(predictor.predict_batch(integers.astype(np.int16)).argmax(axis=1))
        return np.concatenate(given)

    return labels


def _front_end(file: ModelFile) -> Callable[[NDArray[Any]], NDArray[np.int8]]:
    """What turns clips into the integers that a keyword file reads."""

    def features(clips: NDArray[Any]) -> NDArray[np.int8]:
        from qrobust.audio import mfcc, quantize_features
        from qrobust.certify.file.feature_step import feature_exponent_of

        return quantize_features(mfcc(clips), feature_exponent_of(file))

    return features


def usable(kinds: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Kinds whose packages are here, and why the others are left out."""
    missing = {kind: "Pillow is not installed" for kind in kinds if not available(kind)}
    return tuple(kind for kind in kinds if kind not in missing), missing
