"""Gains are paired: boxes weigh alike, controls do not count."""

import numpy as np
from gains import means, shares


def test_a_share_of_the_same_images_gains_nothing():
    left = np.arange(100) < 40
    line = shares("some", {"ours": left, "twin": left, "worse": np.zeros(100, bool)})
    assert line["ours"] == {"count": 40, "of": 100}
    assert line["gain over twin"].startswith("+0.0 (-")
    gain, low, high = (float(v.strip("()")) for v in line["gain over worse"].split() if v != "to")
    assert gain == 40 and 25 < low < 40 < high < 55


def test_means_weigh_boxes_alike_and_leave_controls_out():
    yes, no = np.ones(4, bool), np.zeros(4, bool)
    rows = [
        {"box": "white", "attack": "a", "ours": yes, "other": no},
        {"box": "white", "attack": "b", "ours": no, "other": no},
        {"box": "black", "attack": "c", "ours": yes, "other": yes},
        {"box": "control", "attack": "d", "ours": no, "other": yes},
        {"box": "transfer", "attack": "e", "ours": no, "other": yes},
    ]
    white, black, both = means(rows)
    assert (white["ours"], black["ours"], both["ours"]) == ("50.0%", "100.0%", "75.0%")
    assert white["gain over other"].startswith("+50.0 (-")  # four images show little
    assert both["gain over other"].startswith("+25.0 (-")
