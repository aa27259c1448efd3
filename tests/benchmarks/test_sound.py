"""What the rows about sound count."""

import numpy as np
import pytest
from grid.unpaired import unpaired_interval, unpaired_points
from sound import BELOW, SAID, certified, most_frequent, regridded, turned


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


def test_rounding_to_8_bits_enlarges_weak_noise_and_keeps_strong_noise():
    rng = np.random.default_rng(0)
    clips = rng.normal(0, 4000, (3, 16_000)).round().clip(-32768, 32767).astype(np.int16)
    norms = np.linalg.norm(clips / 256, axis=1)
    # 20 dB down the noise is 1.6 steps: its own length and two roundings of variance 1 / 12.
    strong = np.sqrt((norms / 10) ** 2 + 16_000 / 6)
    assert regridded(clips, 20, 0) == pytest.approx(strong, rel=0.02)
    # 60 dB down it is .016 steps of every sample: few move, each by a whole step.
    moved = np.sqrt(16_000 * norms / np.sqrt(16_000) / 1000 * np.sqrt(2 / np.pi))
    assert regridded(clips, 60, 0) == pytest.approx(moved, rel=0.1)
    assert (moved > 5 * norms / 1000).all()


def test_a_constant_answer_shows():
    assert most_frequent([4, 4, None, 1, 4]) == {"count": 3, "of": 5}


def test_points_are_held_out_minus_test():
    held, test = {"count": 411, "of": 500}, {"count": 667, "of": 780}
    low, high = (100 * v for v in unpaired_interval((411, 500), (667, 780))[1:])
    assert unpaired_points(held, test) == f"-3.3 ({low:+.1f} to {high:+.1f})"


def test_a_row_a_question():
    rows = [{"network": "a", "clean": 1}, {"network": "b", "clean": 2, "apart": 3}]
    assert turned(rows) == [
        {"question": "clean", "a": 1, "b": 2},
        {"question": "apart", "a": "", "b": 3},
    ]
    with pytest.raises(KeyError):
        turned([{"clean": 1}])
