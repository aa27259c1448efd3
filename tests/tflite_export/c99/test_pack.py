import numpy as np
import pytest

from tflite_export.c99.pack import WORD_BITS, field_bits, field_of, pack_rows


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("entries", [1, 7, 33])
def test_every_weight_is_where_the_kernels_look(bits, channels, entries):
    low, high = -(1 << (bits - 1)), 1 << (bits - 1)
    rows = np.random.default_rng(0).integers(low, high, (channels, entries))
    fields = WORD_BITS // bits
    per_row = -(-entries // fields)
    words = pack_rows(rows, bits).reshape(-1, per_row, 2)
    assert len(words) == -(-channels // 2)
    for channel in range(channels):
        for entry in range(entries):
            word = int(words[channel // 2, entry // fields, channel % 2])
            field = word >> (bits * field_of(entry % fields, bits)) & ((1 << bits) - 1)
            assert field - (field >> (bits - 1) << bits) == rows[channel, entry]


@pytest.mark.parametrize(("largest", "bits"), [(1, 2), (2, 4), (7, 4), (8, 8), (127, 8)])
def test_the_narrowest_field(largest, bits):
    assert field_bits(np.array([0, largest, -1])) == bits
