"""What a radius looks like: pictures, changed by no more than their certificate allows.

They illustrate. None is the worst case, and none proves anything; the distances below them are
measured on the integers that are shown.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.run.certificate import L0, L1, L2, Certificate

Picture = NDArray[np.int64]
_HIGH = 255
_HALVINGS = 20
#: Width on the page, in CSS pixels, at least.
_SHOWN = 112


@dataclass(frozen=True)
class Shown:
    """A picture as it stands in the page.

    Attributes:
        src: PNG as a ``data:`` address.
        width: on the page, CSS pixels.
        height: on the page, CSS pixels.
        caption: what it is.
        distance: from the original, in words; empty for the original.
    """

    src: str
    width: int
    height: int
    caption: str
    distance: str = ""


def as_picture(x: NDArray[Any]) -> Picture | None:
    """Return pixels int64[h, w, 1 or 3], or None where an input is no picture of 8-bit pixels."""
    if x.dtype.kind not in "iu" or x.ndim not in (2, 3) or min(x.shape) < 1:
        return None
    shaped = x.reshape(*x.shape, 1) if x.ndim == 2 else x
    if shaped.shape[2] not in (1, 3) or max(shaped.shape[:2]) > 4096:
        return None
    pixels: Picture = shaped.astype(np.int64)
    return pixels if 0 <= pixels.min() and pixels.max() <= _HIGH else None


def shown(
    picture: Picture,
    caption: str,
    distance: str = "",
    *,
    width: int = _SHOWN,
    most: int | None = None,
) -> Shown:
    """Return a picture as PNG, its pixels as they are, or at most so many a side."""
    from PIL import Image

    held = io.BytesIO()
    pixels = picture.astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if most is not None:
        image.thumbnail((most, most))
    image.save(held, "PNG", optimize=True)
    src = "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
    return Shown(src, width, round(width * picture.shape[0] / picture.shape[1]), caption, distance)


def within(
    picture: Picture, certificate: Certificate, others: Sequence[tuple[str, Picture]]
) -> Iterator[Shown]:
    """Yield the picture and changes of it within its certificate.

    Args:
        picture: the certified one.
        certificate: of it; nothing but the picture is shown where it abstains.
        others: caption and picture, to go towards.
    """
    yield shown(picture, "the picture")
    generator = np.random.default_rng(certificate.index)
    if certificate.sigma is not None:
        noise = generator.normal(0, float(certificate.sigma), picture.shape)
        noisy = np.clip(picture + np.round(noise).astype(np.int64), 0, _HIGH)
        yield shown(noisy, "a noisy copy, as the voters see it", "not within the radius")
    if certificate.abstained or not certificate.radius_q16:
        return
    for caption, changed in _changes(picture, certificate, others, generator):
        if (changed != picture).any():
            yield shown(changed, caption, distance(picture, changed, certificate))


def _changes(
    picture: Picture,
    certificate: Certificate,
    others: Sequence[tuple[str, Picture]],
    generator: np.random.Generator,
) -> Iterator[tuple[str, Picture]]:
    radius = certificate.radius
    if certificate.norm == L2:
        yield "random changes", _furthest(picture, generator.normal(size=picture.shape), radius)
        even = np.ones(picture.shape)
        yield "brighter", _furthest(picture, even, radius)
        yield "darker", _furthest(picture, -even, radius)
    elif certificate.norm == L1:
        yield "few pixels, inverted", _inverted(picture, int(radius), generator)
    elif certificate.norm == L0:
        yield "some pixels, inverted", _spotted(picture, int(radius), generator)
        return
    else:
        yield from _patched(picture, int(radius), generator)
        return
    order = 2 if certificate.norm == L2 else 1
    for caption, other in others:
        way = (other - picture).astype(np.float64)
        length = float(np.linalg.norm(way.ravel(), order))
        yield caption, _moved(picture, way * min(radius / length, 1) if length else way)


def _moved(picture: Picture, change: NDArray[np.float64]) -> Picture:
    # Rounded towards the picture and clipped, a change only becomes shorter.
    return np.clip(picture + np.trunc(change).astype(np.int64), 0, _HIGH)


def _furthest(picture: Picture, way: NDArray[np.float64], radius: float) -> Picture:
    """Go along a way as far as the L2 radius lets the rounded, clipped picture go."""
    low, high = 0.0, 4 * radius
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        change = _moved(picture, way * middle) - picture
        low, high = (middle, high) if sqrt(int((change**2).sum())) < radius else (low, middle)
    return _moved(picture, way * low)


def _inverted(picture: Picture, budget: int, generator: np.random.Generator) -> Picture:
    flat = picture.ravel().copy()
    for place in generator.permutation(flat.size):
        far = _HIGH if 2 * flat[place] <= _HIGH else 0
        step = min(budget, abs(far - int(flat[place])))
        flat[place] += step if far else -step
        budget -= step
        if budget <= 0:
            break
    return flat.reshape(picture.shape)


def _spotted(picture: Picture, pixels: int, generator: np.random.Generator) -> Picture:
    flat = picture.reshape(-1, picture.shape[2]).copy()
    places = generator.permutation(len(flat))[:pixels]
    flat[places] = np.where(2 * flat[places] <= _HIGH, _HIGH, 0)
    return flat.reshape(picture.shape)


def _patched(
    picture: Picture, side: int, generator: np.random.Generator
) -> Iterator[tuple[str, Picture]]:
    height, width = (min(side, size) for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    for caption, patch in (
        ("a grey square", np.full((height, width, picture.shape[2]), _HIGH // 2)),
        ("a square of noise", generator.integers(0, _HIGH + 1, (height, width, picture.shape[2]))),
    ):
        changed = picture.copy()
        changed[top : top + height, left : left + width] = patch
        yield caption, changed


def distance(picture: Picture, changed: Picture, certificate: Certificate) -> str:
    """Return the measured distance of a change and the radius, in words."""
    change = np.abs(changed - picture)
    if certificate.norm == L2:
        return f"L2 distance {sqrt(int((change**2).sum())):.1f}, radius {certificate.radius:.1f}"
    if certificate.norm == L1:
        return f"sum of changes {int(change.sum())}, radius {certificate.radius:g}"
    if certificate.norm == L0:
        pixels = int(change.any(axis=2).sum())
        return f"{pixels} pixels changed, radius {certificate.radius:g}"
    side = max((np.ptp(places) + 1 for places in np.nonzero(change.any(axis=2))), default=0)
    return f"a square of {int(side)} x {int(side)}, radius {certificate.radius:g}"
