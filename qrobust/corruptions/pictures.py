"""Corruptions of pictures of 8-bit pixels, after CIFAR-10-C.

With ``u = x / 255`` in [0, 1], ``c`` the strength and the result rounded to the nearest pixel and
clipped to 0..255 (CIFAR-10-C cuts fractions off):

============== ===================================================================================
gaussian_noise ``u + c n``, ``n`` normal, for every value
shot_noise     ``Poisson(c u) / c``
blur           ``u`` convolved with a Gaussian of ``c`` pixels, cut at 4 c, borders repeated
contrast       ``m + c (u - m)``, ``m`` the mean of each channel
brightness     the value of HSV plus ``c``: ``u v' / v`` with ``v = max u``, ``v' = min(v + c, 1)``
fog            ``(u + a p) m / (m + a)``, ``m = max u``, ``p`` in [0, 1] a random landscape of
               octaves, each ``w`` times weaker than the next coarser one
jpeg           quality ``c``, compressed and read again (Pillow)
bit_depth      a sensor of ``c`` bits: ``round((2^c - 1) u) / (2^c - 1)``
============== ===================================================================================

The strengths are CIFAR-10-C's, for pictures of 32 x 32; on other sizes they are what they are. Its
fog is a diamond-square landscape; ours sums octaves, so it is like that fog and not the same. The
sensor is our own.

Source:
    Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations, ICLR 2019, and the authors' ``make_cifar_c.py`` for the strengths.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.corruptions.kind import Kind

Picture = NDArray[np.float64]
_TOP = 255.0


def _gaussian_noise(x: Picture, c: float, rng: np.random.Generator) -> Picture:
    return x + _TOP * c * rng.standard_normal(x.shape)


def _shot_noise(x: Picture, c: float, rng: np.random.Generator) -> Picture:
    return np.asarray(_TOP * rng.poisson(x / _TOP * c) / c)


def _blur(x: Picture, c: float, _: np.random.Generator) -> Picture:
    reach = int(4 * c + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / c) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        width = [(0, 0)] * x.ndim
        width[axis] = (reach, reach)
        padded = np.pad(x, width, mode="edge")
        size = x.shape[axis]
        shifted = [w * padded.take(range(i, i + size), axis) for i, w in enumerate(weights)]
        x = np.asarray(np.sum(shifted, axis=0))
    return x


def _contrast(x: Picture, c: float, _: np.random.Generator) -> Picture:
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.asarray(mean + c * (x - mean))


def _brightness(x: Picture, c: float, _: np.random.Generator) -> Picture:
    value = x.max(axis=2, keepdims=True)
    lifted = np.minimum(value + _TOP * c, _TOP)
    # Black has no hue: it becomes a grey.
    return np.asarray(np.where(value > 0, x * lifted / np.maximum(value, 1), lifted))


def _fog(x: Picture, c: tuple[float, float], rng: np.random.Generator) -> Picture:
    amount, decay = c
    top = x.max() / _TOP
    thick = x / _TOP + amount * landscape(x.shape[0], x.shape[1], decay, rng)[..., None]
    return np.asarray(_TOP * thick * top / (top + amount))


def landscape(height: int, width: int, decay: float, rng: np.random.Generator) -> Picture:
    """A random surface in [0, 1], float64[height, width]: octaves of bilinear noise.

    Octave ``k`` has ``2^k + 1`` points along each side and weighs ``decay^-k``; the last one is as
    fine as the picture.
    """
    total = np.zeros((height, width))
    for k in range(max(1, int(np.ceil(np.log2(max(height, width)))))):
        points = rng.uniform(-1, 1, (2**k + 1, 2**k + 1))
        total += decay**-k * _between(points, height, width)
    total -= total.min()
    return np.asarray(total / max(float(total.max()), 1e-12))


def _between(points: Picture, height: int, width: int) -> Picture:
    """Points on a coarse grid, read bilinearly at every pixel."""
    rows = np.linspace(0, len(points) - 1, height)
    columns = np.linspace(0, len(points) - 1, width)
    top, left = (np.minimum(p.astype(int), len(points) - 2) for p in (rows, columns))
    down, right = (rows - top)[:, None], columns - left
    above = points[top][:, left] * (1 - right) + points[top][:, left + 1] * right
    below = points[top + 1][:, left] * (1 - right) + points[top + 1][:, left + 1] * right
    return np.asarray(above * (1 - down) + below * down)


def _jpeg(x: Picture, c: int, _: np.random.Generator) -> Picture:
    from PIL import Image

    pixels = x.astype(np.uint8)
    grey = pixels.shape[2] == 1
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(stream, "JPEG", quality=c)
    read: NDArray[Any] = np.asarray(Image.open(stream))
    return (read[..., None] if grey else read).astype(np.float64)


def _bit_depth(x: Picture, c: int, _: np.random.Generator) -> Picture:
    steps = 2**c - 1
    return np.asarray(_TOP * np.floor(x / _TOP * steps + 0.5) / steps)


#: Kinds of pictures by name.
PICTURES = {
    kind.name: kind
    for kind in (
        Kind("gaussian_noise", 0, (0.04, 0.06, 0.08, 0.09, 0.10), "of [0, 1]", _gaussian_noise),
        Kind("shot_noise", 1, (500, 250, 100, 75, 50), "photons at white", _shot_noise),
        Kind("blur", 2, (0.4, 0.6, 0.7, 0.8, 1.0), "pixels", _blur),
        Kind("contrast", 3, (0.75, 0.5, 0.4, 0.3, 0.15), "times", _contrast),
        Kind("brightness", 4, (0.05, 0.1, 0.15, 0.2, 0.3), "of [0, 1]", _brightness),
        Kind(
            "fog",
            5,
            ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
            "amount, decay",
            _fog,
        ),
        Kind("jpeg", 6, (80, 65, 58, 50, 40), "quality", _jpeg, needs="PIL"),
        Kind("bit_depth", 7, (6, 5, 4, 3, 2), "bits", _bit_depth),
    )
}
