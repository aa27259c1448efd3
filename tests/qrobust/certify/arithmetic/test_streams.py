import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import Purpose, WindowLayout, raw_words

from ..philox_reference import philox_block, word

BIG = 2**64 - 1


def test_reference_against_the_vectors_of_random123():
    # kat_vectors of the Random123 distribution: philox4x64 10 rounds.
    assert philox_block((0, 0, 0, 0), (0, 0)) == (
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    )
    assert philox_block((BIG,) * 4, (BIG,) * 2) == (
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    )


@pytest.mark.parametrize("overflow", [False, True])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_words_are_plain_philox_blocks(purpose, overflow):
    words = raw_words((7, 9), purpose, 3, 10, overflow=overflow)
    assert [int(w) for w in words] == [word(7, 9, purpose, 3 + i, overflow) for i in range(10)]


def test_the_largest_key_and_counter():
    expected = word(BIG, BIG, 2, 2**64 - 1)
    assert int(raw_words((BIG, BIG), 2, 2**64 - 1, 1)[0]) == expected


def test_checked_in_vector():
    # For other implementations: seed 1, image 2, the first block of the samples of the bound.
    np.testing.assert_array_equal(
        raw_words((1, 2), Purpose.BOUND, 0, 4), np.array(VECTOR, np.uint64)
    )


@pytest.mark.parametrize(
    ("coordinates", "main", "reserve"),
    [(1, 4, 4), (16, 4, 4), (17, 8, 4), (64, 16, 4), (784, 196, 16), (3072, 768, 52)],
)
def test_window(coordinates, main, reserve):
    layout = WindowLayout(coordinates)
    assert (layout.main, layout.reserve, layout.window) == (main, reserve, main + reserve)


@pytest.mark.parametrize(("seed", "image"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**64)])
def test_keys_out_of_range(seed, image):
    with pytest.raises(CertifyError, match=r"must lie in \[0, 2\*\*64\)"):
        raw_words((seed, image), 0, 0, 1)


def test_an_input_has_a_number():
    with pytest.raises(CertifyError, match="at least 1 number"):
        WindowLayout(0)


VECTOR = [0x250C103910D8FA02, 0xB5C3C99F756A49E2, 0xDEBAD81146E8781C, 0xA85C4CA900C1EA00]
