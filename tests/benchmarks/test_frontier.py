"""The frontier of accuracy and cost, against its definition by brute force."""

import numpy as np
from frontier import frontier


def test_no_point_of_it_is_beaten_and_every_other_is():
    rng = np.random.default_rng(0)
    points = {f"p{i}": tuple(map(int, rng.integers(0, 12, 2))) for i in range(60)}
    best = frontier(points)

    def beats(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and a != b

    assert best
    for name, point in points.items():
        beaten = any(beats(other, point) for other in points.values())
        assert beaten is (name not in best)


def test_equals_stand_together():
    assert frontier({"a": (9, 5), "b": (8, 5), "c": (7, 4), "d": (9, 5)}) == {"a", "c", "d"}
