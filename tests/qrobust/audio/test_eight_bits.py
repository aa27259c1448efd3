from fractions import Fraction
from math import floor

import numpy as np
import pytest

from qrobust.audio import eight_bits


def test_all_samples_against_fractions():
    every = np.arange(-(2**15), 2**15).astype(np.int16)
    wanted = [min(127, floor(Fraction(int(x), 256) + Fraction(1, 2))) for x in every]
    assert eight_bits(every).dtype == np.int8
    np.testing.assert_array_equal(eight_bits(every), wanted)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="int16. Received: float64"):
        eight_bits(np.zeros(3))
