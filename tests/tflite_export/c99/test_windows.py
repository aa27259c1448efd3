import numpy as np
import pytest

from tflite_export.c99.windows import Window, output_lead
from tflite_export.geometry import same_padding


def random_window(rng):
    sizes, kernel = rng.integers(1, 9, 2), rng.integers(1, 4, 2)
    strides, same = rng.integers(1, 4, 2), rng.random() < 0.5
    padding, places = [], []
    for size, w, s in zip(sizes, kernel, strides, strict=True):
        pads = same_padding(int(size), int(w), int(s)) if same else (0, 0)
        padding.append(pads[0])
        places.append((size + sum(pads) - w) // s + 1)
    if min(places) < 1:
        return None
    channels = int(rng.integers(1, 5))
    return Window(
        *map(int, sizes),
        channels,
        int(places[1]),
        int(places[0] * places[1]),
        tuple(map(int, kernel)),
        tuple(map(int, strides)),
        (1, 1),
        tuple(padding),
    )


def bytes_read(window, pixel):
    y, x = divmod(pixel, window.out_width)
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            row = y * window.strides[0] - window.padding[0] + ky
            column = x * window.strides[1] - window.padding[1] + kx
            if 0 <= row < window.in_height and 0 <= column < window.in_width:
                place = row * window.in_width + column
                yield from range(place * window.in_channels, (place + 1) * window.in_channels)


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("reads_ahead", [True, False])
def test_no_input_is_overwritten_before_it_is_read(block, reads_ahead):
    rng = np.random.default_rng(2)
    tried = 0
    while tried < 60:
        window = random_window(rng)
        if window is None:
            continue
        tried += 1
        channels = int(rng.integers(1, 6))
        lead = output_lead(window, channels, block=block, reads_ahead=reads_ahead)
        written = set()
        for start in range(0, window.pixels, block):
            pixels = range(start, min(start + block, window.pixels))
            outputs = {p * channels + c - lead for p in pixels for c in range(channels)}
            if not reads_ahead:
                written |= outputs
            for pixel in pixels:
                assert not written & set(bytes_read(window, pixel))
            written |= outputs
