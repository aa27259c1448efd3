import numpy as np
import pytest

from qrobust.audio import fit_clip


def test_pads_at_the_end():
    fitted = fit_clip(np.array([3, -4], np.int16))
    assert fitted.dtype == np.int16 and fitted.shape == (16_000,)
    np.testing.assert_array_equal(fitted[:3], [3, -4, 0])
    assert not fitted[3:].any()


def test_cuts_the_end():
    np.testing.assert_array_equal(fit_clip(np.arange(5), length=3), [0, 1, 2])


@pytest.mark.parametrize("shape", [(0,), (2, 3), ()])
def test_no_clip(shape):
    with pytest.raises(ValueError, match="at least one sample"):
        fit_clip(np.zeros(shape))


@pytest.mark.parametrize("length", [0, -1])
def test_a_clip_has_a_length(length):
    with pytest.raises(ValueError, match=f"length={length}"):
        fit_clip(np.zeros(3), length=length)
