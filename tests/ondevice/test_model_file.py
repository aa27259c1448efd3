import numpy as np
import pytest

from .model_file import Signature, as_inputs

UINT8 = Signature((2, 2), (10,), np.dtype(np.uint8), np.dtype(np.uint8))


def test_wide_integers_in_range_are_taken():
    inputs = as_inputs(np.full((3, 2, 2), 255, np.int64), UINT8)
    assert inputs.dtype == np.uint8
    assert (inputs == 255).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((3, 2, 2), -1), "from -1 to -1"),
        (np.full((3, 2, 2), 256), "from 256 to 256"),
        (np.zeros((3, 2, 2), np.float32), "float32"),
        (np.zeros((3, 4), np.uint8), r"\(N, 2, 2\)"),
        (np.zeros((0, 2, 2), np.uint8), "N > 0"),
    ],
)
def test_others_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        as_inputs(values, UINT8)
