"""Windows, schedule and bumps of the Square attack against the paper's own description."""

import numpy as np
import pytest

from qrobust.attacks import PixelGrid
from qrobust.attacks.black_box.square_windows import eta, l2_proposals, linf_proposals, window
from qrobust.attacks.ground.generators import generators

GRID = PixelGrid()


@pytest.mark.parametrize(
    ("shape", "share", "sides"),
    [
        ((32, 32, 3), 0.8, (29, 29)),  # sqrt(819.2) = 28.6
        ((32, 32, 3), 0.05, (7, 7)),
        ((100,), 0.3, (30, 1)),  # a vector is one column
        ((49, 10, 1), 0.8, (39, 10)),  # 392 values, as wide as the input
        ((4, 100, 1), 0.5, (4, 50)),
        ((3, 3, 1), 0.001, (1, 1)),
    ],
)
def test_the_first_window_covers_its_share(shape, share, sides):
    assert window(shape, share, 0.0) == sides


def test_the_schedule_is_the_paper_s():
    """Section 5: for 10,000 queries p is halved after 10, 50, 200, 500, 1000, 2000, ... 8000."""
    ends = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
    for query in (*ends, *(end + 1 for end in ends)):
        halvings = sum(query > end for end in ends)
        assert window((4096,), 1.0, query / 10_000) == (4096 // 2**halvings, 1)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.choice([0, 3, 128, 255], (40, 12, 10, 3)).astype(float)


def test_linf_proposals_change_one_window_by_epsilon(images):
    rngs = generators(0, len(images))
    current = linf_proposals(images, images, 8.7, None, GRID, rngs)
    delta = current - images
    assert (current == np.clip(images + 8 * np.sign(delta), 0, 255)).all()
    # Stripes: one sign a column and channel, wherever the grid lets it be seen.
    assert (np.ptp(np.where(delta == 0, np.nan, np.sign(delta))[..., 0], axis=1)[0] != 2).all()
    proposed = linf_proposals(images, current, 8.7, (4, 5), GRID, rngs)
    assert (np.abs(proposed - images) <= 8).all()
    assert proposed.min() >= 0 and proposed.max() <= 255
    changed = (proposed != current).any(axis=-1)
    assert changed.any(axis=(1, 2)).all()  # no query is wasted
    rows, columns = changed.any(axis=2), changed.any(axis=1)
    assert (np.ptp([np.flatnonzero(r)[[0, -1]] for r in rows], axis=1) < 4).all()
    assert (np.ptp([np.flatnonzero(c)[[0, -1]] for c in columns], axis=1) < 5).all()


def test_a_sign_that_the_grid_swallows_is_turned():
    """At 0 and with the window at +8 already, -8 and +8 both looked new before clipping."""
    black = np.zeros((200, 3, 3, 1))
    proposed = linf_proposals(black, black, 8, (2, 2), GRID, generators(1, 200))
    assert (proposed.sum(axis=(1, 2, 3)) == 4 * 8).all()


def test_l2_proposals_have_length_epsilon():
    x = np.full((20, 12, 10, 3), 128.0)
    rngs = generators(0, 20)
    current = l2_proposals(x, x, 60, None, GRID, rngs)
    proposed = l2_proposals(x, current, 60, (4, 4), GRID, rngs)
    for points in (current, proposed):
        np.testing.assert_allclose(np.linalg.norm((points - x).reshape(20, -1), axis=1), 60)
    # Two windows of 5 x 5 (even sides grow by one) change, the rest stays.
    changed = (np.abs(proposed - current) > 1e-9).any(axis=-1).sum(axis=(1, 2))
    assert (changed <= 50).all() and (changed >= 20).all()


def test_eta_by_hand():
    """A 1 x 3 half and a 2 x 3 half, centres (0, 1) and (1, 1), n = 1: 1/4 and 1/4 + 1."""
    top = np.array([[1, 5, 1]]) / np.sqrt(27)
    bottom = np.array([[1, 1, 1], [1, 5, 1]]) / np.sqrt(30)
    np.testing.assert_allclose(eta(3, 3), np.concatenate([top, -bottom]) / np.sqrt(2))


@pytest.mark.parametrize(("high", "wide"), [(5, 5), (7, 7), (9, 9), (11, 3), (1, 5), (4, 9)])
def test_eta_is_a_sum_over_growing_rectangles(high, wide):
    """As the authors' code paints it: ever larger rectangles round the centre, cut at the edges."""

    def painted(rows, columns):
        delta = np.zeros((rows, columns))
        for grown in range(max(rows // 2, columns // 2) + 1):
            top, left = rows // 2 - grown, columns // 2 - grown
            part = np.s_[max(top, 0) : top + 2 * grown + 1, max(left, 0) : left + 2 * grown + 1]
            delta[part] += 1 / (grown + 1) ** 2
        return delta / np.linalg.norm(delta)

    half = high // 2
    whole = np.concatenate([painted(half, wide)] * (half > 0) + [-painted(high - half, wide)])
    np.testing.assert_allclose(eta(high, wide), whole / np.linalg.norm(whole))
