"""Seeded batches of integer images, with augmentation, as ``tf.data``."""

from typing import Any

import numpy.typing as npt
import tensorflow as tf

_PAD = 4
_FRAMES = 5
_LIFT, _HAZE = 51.0, 0.6
_LIGHT = 48


def batches(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, batch_size: int, augment: str, seed: int
) -> Any:
    """One epoch of shuffled batches; the same seed gives the same epochs in the same order.

    (TensorFlow mixes its global seed in, where one has been set.)

    Args:
        x: integers on the input grid, (examples, ...).
        y: labels.
        batch_size: examples.
        augment: "none"; "crop_flip" for pictures: 4 pixels of zeros around, a random cut of the old
            size, mirrored half of the time; "corrupt" for pictures of pixels 0 to 255: the same,
            and half of them in another light, in equal parts contrast (.3 to 1 times, about each
            channel's mean), brightness (up to 51 more or less) and haze (up to .6 of the way to
            white); "families" for pictures of pixels 0 to 255, the changes that `qrobust verify
            --family light:32` and ``shift:2`` enumerate and more: moved by up to 4 pixels, the
            edge repeated, mirrored half of the time, and up to 48 whole steps of light more or
            less, saturated; "time_shift" for features of sound, (frames, ...): up
            to 5 frames to either side, the first or last one repeated. Integers stay integers.
        seed: of order and augmentation.

    Returns:
        A ``tf.data.Dataset`` of (float32 [batch, ...], labels [batch]); a last batch that is not
        full is left out, unless it is the only one.

    Raises:
        ValueError: an unknown augmentation, or light on what are no pixels.
    """
    if augment not in AUGMENTATIONS:
        raise ValueError(f"augment is one of {', '.join(AUGMENTATIONS)}. Received: {augment!r}")
    if augment in ("corrupt", "families") and (x.ndim != 4 or x.min() < 0 or x.max() > 255):
        raise ValueError(
            f"augment = '{augment}' is of pictures of pixels 0 to 255. Received: {x.dtype} of "
            f"shape {x.shape}, {x.min()} to {x.max()}"
        )
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
    if augment != "none":
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(
            2, drop_remainder=True
        )
        data = tf.data.Dataset.zip(data, seeds).map(
            _AUGMENT[augment](x.shape[1:]), num_parallel_calls=tf.data.AUTOTUNE
        )
    data = data.batch(batch_size, drop_remainder=len(x) > batch_size)
    return data.map(lambda a, b: (tf.cast(a, tf.float32), b)).prefetch(tf.data.AUTOTUNE)


def _crop_flip(shape: tuple[int, ...]) -> Any:
    def augmented(example: Any, seed: Any) -> Any:
        image, label = example
        padded = tf.pad(image, [[_PAD, _PAD], [_PAD, _PAD], [0, 0]])
        cut = tf.image.stateless_random_crop(padded, shape, seed)
        return tf.image.stateless_random_flip_left_right(cut, seed), label

    return augmented


def _corrupt(shape: tuple[int, ...]) -> Any:
    moved = _crop_flip(shape)

    def augmented(example: Any, seed: Any) -> Any:
        image, label = moved(example, seed)
        # Other streams than those of crop and flip, which take the seed itself.
        which, how = tf.unstack(
            tf.random.stateless_uniform((2,), seed + tf.constant([1, 1], seed.dtype))
        )
        x = tf.cast(image, tf.float32)
        mean = tf.reduce_mean(x, axis=(0, 1), keepdims=True)
        lights = (
            mean + (0.3 + 0.7 * how) * (x - mean),
            x + _LIFT * (2 * how - 1),
            x + _HAZE * how * (255.0 - x),
        )
        lit = tf.gather(tf.stack((*lights, x, x, x)), tf.cast(6 * which, tf.int32))
        whole = tf.clip_by_value(tf.floor(lit + 0.5), 0.0, 255.0)
        return tf.cast(whole, image.dtype), label

    return augmented


def _families(shape: tuple[int, ...]) -> Any:
    def augmented(example: Any, seed: Any) -> Any:
        image, label = example
        # One stream each: the same word must not say where to and how light.
        seeds = [seed + tf.constant([i, i], seed.dtype) for i in range(3)]
        moves = tf.random.stateless_uniform((2,), seeds[0], -_PAD, _PAD + 1, tf.int32)
        for axis in (0, 1):
            places = tf.clip_by_value(tf.range(shape[axis]) + moves[axis], 0, shape[axis] - 1)
            image = tf.gather(image, places, axis=axis)
        image = tf.image.stateless_random_flip_left_right(image, seeds[1])
        light = tf.random.stateless_uniform((), seeds[2], -_LIGHT, _LIGHT + 1, tf.int32)
        lit = tf.clip_by_value(tf.cast(image, tf.int32) + light, 0, 255)
        return tf.cast(lit, image.dtype), label

    return augmented


def _time_shift(shape: tuple[int, ...]) -> Any:
    def augmented(example: Any, seed: Any) -> Any:
        features, label = example
        shift = tf.random.stateless_uniform((), seed, -_FRAMES, _FRAMES + 1, tf.int32)
        frames = tf.clip_by_value(tf.range(shape[0]) + shift, 0, shape[0] - 1)
        return tf.gather(features, frames), label

    return augmented


_AUGMENT = {
    "crop_flip": _crop_flip,
    "corrupt": _corrupt,
    "families": _families,
    "time_shift": _time_shift,
}
AUGMENTATIONS = ("none", *_AUGMENT)


def count(x: npt.NDArray[Any], batch_size: int) -> int:
    """Batches of an epoch: whole ones only, unless there is just one."""
    return max(1, len(x) // batch_size)
