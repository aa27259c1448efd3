"""What the rows about sound count."""

import numpy as np
import pytest
from grid.unpaired import unpaired_interval
from sound import BELOW, SAID, certified, most_frequent, points, turned


def test_a_radius_of_each_clip_is_not_one_for_all():
    # 51 dB below 355 and 3,550 steps are radii of 1.0005 and 10.005.
    norms = np.array([3550.0, 355.0, 3550.0, 355.0])
    radii = np.array([4.0, 1.5, 11.0, -1.0])
    row = certified(radii, norms)
    assert row["certified, R = 2"] == {"count": 2, "of": 4}
    assert row["certified, R = 0"] == {"count": 3, "of": 4}
    # The first holds at R = 2 and is loud: not 51 dB below itself. The second the other way.
    assert BELOW[0] == 51 and row["certified, 51 dB below each clip"] == {"count": 2, "of": 4}
    # The quietest clip of four, the second: the sort is stable.
    assert row[f"certified, R = {SAID}, the quietest quarter"] == {"count": 0, "of": 1}
    assert row["R = 2 is below the median clip by"] == "60 dB"


def test_silence_asks_for_no_radius_and_is_not_certified_by_that():
    row = certified(np.array([0.0, -1.0, 0.0, -1.0]), np.array([0.0, 0.0, 800.0, 800.0]))
    assert row["certified, 51 dB below each clip"] == {"count": 1, "of": 4}


def test_a_constant_answer_shows():
    assert most_frequent([4, 4, None, 1, 4]) == {"count": 3, "of": 5}


def test_points_are_held_out_minus_test():
    row = {
        "clean, speakers held out": {"count": 411, "of": 500},
        "clean, test clips": {"count": 667, "of": 780},
    }
    low, high = (100 * v for v in unpaired_interval((411, 500), (667, 780))[1:])
    assert points(row) == f"-3.3 ({low:+.1f} to {high:+.1f})"


def test_a_row_a_question():
    rows = [{"network": "a", "clean": 1}, {"network": "b", "clean": 2, "apart": 3}]
    assert turned(rows) == [
        {"question": "clean", "a": 1, "b": 2},
        {"question": "apart", "a": "", "b": 3},
    ]
    with pytest.raises(KeyError):
        turned([{"clean": 1}])
