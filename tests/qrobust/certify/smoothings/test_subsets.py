"""Subsets of pixels: the words of the specification, each pixel in one view, nothing else seen."""

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.bands import encode
from qrobust.certify.smoothings.subsets import SUBSET_KEY, pixel_subsets, subset_views

from ..philox_reference import philox_block


def test_subsets_are_the_words_of_the_specification():
    halves = []
    for block in range(3):
        for word in philox_block((block, 0, 0, 0), (SUBSET_KEY, 0)):
            halves += [word & 0xFFFFFFFF, word >> 32]
    assert bytes.fromhex(f"{SUBSET_KEY:x}") == b"ablate"
    for m in (1, 7, 21):
        assert pixel_subsets(21, m).tolist() == [half % m for half in halves[:21]]


def test_every_pixel_is_seen_in_exactly_one_view():
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 3))
    views = subset_views(x, 6, 255)
    assert views.shape == (6, 4, 5, 6)
    np.testing.assert_array_equal(views.sum(axis=0), encode(x, np.ones((4, 5), bool), 255))
    seen = views.any(axis=-1)
    assert (seen.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(subset_views(x, 6, 255, range(2, 4)), views[2:4])


def test_changing_k_pixels_changes_at_most_k_views():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (4, 5, 2))
    for k in (1, 2, 5):
        for _ in range(30):
            y = x.copy()
            y.reshape(20, 2)[rng.choice(20, k, replace=False)] = rng.integers(0, 256, (k, 2))
            changed = (subset_views(x, 7, 255) != subset_views(y, 7, 255)).any(axis=(1, 2, 3))
            assert changed.sum() <= k


@pytest.mark.parametrize("subsets", [0, -1, 21])
def test_more_subsets_than_pixels_are_refused(subsets):
    with pytest.raises(CertifyError, match=f"1 to 20 subsets, not {subsets}"):
        pixel_subsets(20, subsets)
