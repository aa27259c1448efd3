"""What the networks see of a picture: crops, splits (L1) and bands (patches), as integers.

The formulas take arrays of NumPy or of JAX; `xp` is the module that they come from.
"""

import math

import numpy as np

TOP = 255
# "splits" in ASCII: the shifts' own constant, the same for every input, training and device.
SHIFTS_CONSTANT = 0x73706C697473


def shifts(splits, shape, constant=SHIFTS_CONSTANT):
    """The fixed shifts ``v_i = word_i mod splits`` of an input, int32 of its shape, in C order.

    ``word_i`` is the i-th 32-bit half (low half first) of the Philox4x64-10 stream with key
    (constant, 0), whose first block has counter 0.
    """
    count = math.prod(shape)
    # NumPy raises the counter before each block: one lower makes the first block's counter 0.
    before = np.full(4, 2**64 - 1, np.uint64)
    stream = np.random.Philox(key=np.array([constant, 0], np.uint64), counter=before)
    words = stream.random_raw(-(-count // 2)).astype("<u8").view("<u4")[:count]
    return (words % np.uint32(splits)).astype(np.int32).reshape(shape)


def split_pixels(x, split, splits, v, xp=np):
    """The midpoint of the cell that a pixel lies in: ``x~`` of split number ``split``.

    Args:
        x: int32 pixels in 0..255.
        split: 0 <= split < splits, broadcasts against `x`.
        splits: M, broadcasts against `x`.
        v: `shifts(splits, shape)`.
        xp: the arrays' module.
    """
    edge = (split + v) % splits
    low = edge + splits * ((x - edge) // splits)
    return (xp.maximum(low, 0) + xp.minimum(low + (splits - 1), TOP)) // 2


def band_pixels(x, start, width, xp=np):
    """A band of columns, wrapping around, as channels (x, 255 - x); everything else 0.

    Args:
        x: pixels (batch, height, columns, channels).
        start: first column of the band, (batch, 1, 1, 1) or a number.
        width: columns in a band.
        xp: the arrays' module.
    """
    columns = x.shape[2]
    place = xp.reshape(xp.arange(columns), (1, 1, columns, 1))
    kept = (place - start) % columns < width
    return xp.where(kept, xp.concatenate([x, TOP - x], axis=-1), 0)
