"""Seeded batches of integer images, with augmentation, as ``tf.data``."""

from typing import Any

import numpy.typing as npt
import tensorflow as tf

_PAD = 4
_FRAMES = 5


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
            size, mirrored half of the time; "time_shift" for features of sound, (frames, ...): up
            to 5 frames to either side, the first or last one repeated. Integers stay integers.
        seed: of order and augmentation.

    Returns:
        A ``tf.data.Dataset`` of (float32 [batch, ...], labels [batch]); a last batch that is not
        full is left out, unless it is the only one.

    Raises:
        ValueError: an unknown augmentation.
    """
    if augment not in AUGMENTATIONS:
        raise ValueError(f"augment is one of {', '.join(AUGMENTATIONS)}. Received: {augment!r}")
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


def _time_shift(shape: tuple[int, ...]) -> Any:
    def augmented(example: Any, seed: Any) -> Any:
        features, label = example
        shift = tf.random.stateless_uniform((), seed, -_FRAMES, _FRAMES + 1, tf.int32)
        frames = tf.clip_by_value(tf.range(shape[0]) + shift, 0, shape[0] - 1)
        return tf.gather(features, frames), label

    return augmented


_AUGMENT = {"crop_flip": _crop_flip, "time_shift": _time_shift}
AUGMENTATIONS = ("none", *_AUGMENT)


def count(x: npt.NDArray[Any], batch_size: int) -> int:
    """Batches of an epoch: whole ones only, unless there is just one."""
    return max(1, len(x) // batch_size)
