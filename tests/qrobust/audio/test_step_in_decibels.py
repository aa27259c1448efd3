import numpy as np
import pytest

from qrobust.audio import step_in_decibels


@pytest.mark.parametrize("coefficient", range(10))
def test_against_the_transform_itself(coefficient):
    """The least change of log energies that moves one coefficient alone, by a pseudo-inverse."""
    bins = np.arange(40)[:, None] + 0.5
    transform = 2 * np.cos(np.pi / 40 * bins * np.arange(10)) / np.sqrt(80)
    wanted = np.zeros(10)
    wanted[coefficient] = 0.5
    change = wanted @ np.linalg.pinv(transform)  # nepers a band
    decibels = 20 / np.log(10) * np.sqrt(np.mean(change**2))
    assert step_in_decibels(coefficient) == pytest.approx(decibels)
    assert step_in_decibels(coefficient, 0) == pytest.approx(2 * decibels)


def test_no_such_coefficient():
    with pytest.raises(ValueError, match="Received: 10"):
        step_in_decibels(10)
