"""The windows of an operator: which input bytes each output pixel reads."""

from dataclasses import dataclass
from math import prod

import numpy as np

from tflite_export.geometry import same_padding
from tflite_export.graph import Conv2D, DepthwiseConv2D, FullyConnected, MaxPool2D, Operator, Pair


@dataclass(frozen=True)
class Window:
    """A sliding window over a picture; a dense layer is one of a single place.

    Attributes:
        in_height: rows of the input.
        in_width: columns of the input.
        in_channels: of the input.
        out_width: columns of the output.
        pixels: places of the output.
        kernel: rows and columns of the window.
        strides: from one output place to the next.
        dilation: from one place of the window to the next.
        padding: rows above and columns left of the picture.
    """

    in_height: int
    in_width: int
    in_channels: int
    out_width: int
    pixels: int
    kernel: Pair = (1, 1)
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Pair = (0, 0)


def window_of(operator: Operator) -> Window:
    """The windows of a convolution, a pool or a dense layer."""
    source, output = operator.inputs[0].shape, operator.output.shape
    if isinstance(operator, FullyConnected):
        # TFLite flattens what a row of weights spans, which may be several axes of the source.
        places = prod(output[:-1])
        return Window(1, places, int(operator.weights.shape[1]), places, places)
    if isinstance(operator, MaxPool2D):
        kernel, dilation = operator.pool, (1, 1)
    elif isinstance(operator, Conv2D | DepthwiseConv2D):
        kernel = (int(operator.weights.shape[1]), int(operator.weights.shape[2]))
        dilation = operator.dilation
    else:
        raise TypeError(f"{type(operator).__name__} has no windows")
    padding = (0, 0)
    if operator.padding == "SAME":
        padding = (
            same_padding(source[0], kernel[0], operator.strides[0], dilation[0])[0],
            same_padding(source[1], kernel[1], operator.strides[1], dilation[1])[0],
        )
    return Window(
        source[0],
        source[1],
        source[2],
        output[1],
        prod(output[:2]),
        kernel,
        operator.strides,
        dilation,
        padding,
    )


def output_lead(window: Window, channels: int, *, block: int, reads_ahead: bool = True) -> int:
    """How many bytes before its input an output must start, so as never to overtake the reading.

    Args:
        window: what is read for each output pixel.
        channels: bytes of one output pixel.
        block: output pixels computed at a time.
        reads_ahead: whether a block's input has been read when its first output is written.
    """
    pixels = np.arange(window.pixels)
    rows = pixels // window.out_width * window.strides[0] - window.padding[0]
    columns = pixels % window.out_width * window.strides[1] - window.padding[1]
    first = np.maximum(rows, 0) * window.in_width + np.maximum(columns, 0)
    # The first place that this pixel or any later one reads.
    first = np.minimum.accumulate(first[::-1])[::-1] * window.in_channels
    starts = np.arange(0, window.pixels, block)
    written = np.minimum(starts + block, window.pixels) * channels
    waiting = starts + block if reads_ahead else starts
    needed = waiting < window.pixels
    return int((written[needed] - first[waiting[needed]]).max(initial=0))
