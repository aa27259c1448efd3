from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.core.noise import BOUND, PILOT, PREDICT, UNIFORM, philox, sample, thresholds


def test_philox_is_numpys():
    for key in ((0, 0), (5, 2**64 - 1), (2**63, 12345)):
        for counter in ((0, 0), (7, 3), (2**64 - 1, 1)):
            generator = np.random.Philox(
                key=np.array(key, np.uint64),
                counter=np.array([counter[0], counter[1], 0, 0], np.uint64),
            )
            # NumPy raises its counter before it draws.
            following = (counter[0] + 1) % 2**64, counter[1] + (counter[0] == 2**64 - 1)
            assert philox(key, following) == tuple(int(w) for w in generator.random_raw(4))


def test_the_known_answer_of_random123():
    expected = (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)
    assert philox((0, 0), (0, 0)) == expected


def test_purposes_are_those_of_the_fast_path():
    assert (PILOT, BOUND, PREDICT, UNIFORM) == tuple(Purpose)


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("sigma", ["0.001", "0.25", "1/3", "63.75", "300"])
def test_the_law_is_the_fast_paths(sigma):
    for span in (1, 100, 255):
        table = noise_table("rounded_gaussian", Fraction(sigma), span)
        assert tuple(thresholds(Fraction(sigma), span)) == table.thresholds


@pytest.mark.parametrize(("coordinates", "sigma"), [(1, "1"), (17, "30"), (300, "300"), (600, "2")])
def test_copies_are_the_fast_paths(coordinates, sigma):
    table = noise_table("rounded_gaussian", Fraction(sigma), 255)
    tensor = np.random.default_rng(0).integers(-128, 128, coordinates).astype(np.int16)
    out = np.empty((3, coordinates), np.int8)
    key = (2**64 - 3, 11)
    NoiseSampler(table, coordinates).fill(tensor, out, key=key, purpose=Purpose.BOUND, start=7)
    for i in range(3):
        copy = sample(tensor.tolist(), key, BOUND, 7 + i, Fraction(sigma), (-128, 127))
        assert copy == out[i].tolist()
