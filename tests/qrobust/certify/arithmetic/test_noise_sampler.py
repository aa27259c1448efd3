from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.streams import Purpose

from ..philox_reference import sample

TABLE = noise_table("rounded_gaussian", Fraction("20.4"), 255)


def make(coordinates, table=TABLE):
    return NoiseSampler(table, coordinates, low=-128, high=127)


@pytest.mark.parametrize("coordinates", [1, 5, 16, 300])
def test_equals_the_specification_draw_by_draw(coordinates):
    sampler = make(coordinates)
    noise = sampler.noise((11, 3), Purpose.BOUND, 5, 12)
    for i, row in enumerate(noise):
        expected, _ = sample(
            TABLE, coordinates, seed=11, image=3, purpose=Purpose.BOUND, index=5 + i
        )
        assert row.tolist() == expected


def test_more_ambiguous_draws_than_reserved_words():
    # 255 coordinates reserve 4 words and need 2 on average at this sigma: some need more.
    wide = noise_table("rounded_gaussian", Fraction(64), 255)
    noise = make(255, wide).noise((1, 0), Purpose.BOUND, 0, 60)
    most = 0
    for index, row in enumerate(noise):
        expected, ambiguous = sample(wide, 255, seed=1, image=0, purpose=Purpose.BOUND, index=index)
        assert row.tolist() == expected
        most = max(most, ambiguous)
    assert most > 4


def test_does_not_depend_on_the_batch():
    sampler = make(37)
    whole = sampler.noise((5, 8), Purpose.PILOT, 0, 200)
    parts = [sampler.noise((5, 8), Purpose.PILOT, start, 40) for start in range(0, 200, 40)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    np.testing.assert_array_equal(whole[123], sampler.noise((5, 8), Purpose.PILOT, 123, 1)[0])


def test_streams_differ_by_seed_image_purpose_and_sample():
    draws = [
        make(64).noise((seed, image), purpose, start, 1).tobytes()
        for seed in (0, 1)
        for image in (0, 1)
        for purpose in Purpose
        for start in (0, 1)
    ]
    assert len(set(draws)) == len(draws)


def test_fill_saturates():
    sampler = make(50)
    tensor = np.linspace(-128, 127, 50).astype(np.int16)
    out = np.empty((30, 50), np.int8)
    place = {"key": (2, 1), "purpose": Purpose.BOUND, "start": 7}
    sampler.fill(tensor, out, **place)
    noise = sampler.noise((2, 1), Purpose.BOUND, 7, 30)
    np.testing.assert_array_equal(out, np.clip(noise.astype(int) + tensor, -128, 127))


def test_frequencies_fit_the_exact_probabilities():
    draws = make(1000).noise((0, 0), Purpose.BOUND, 0, 1000).ravel()
    edges = np.array([0, *TABLE.thresholds, 2**80], object)
    exact = np.diff(edges).astype(float) / 2.0**80
    observed = np.bincount(draws + 255, minlength=511)
    # Cells of at least 5 expected draws, the rest pooled.
    big = exact * len(draws) >= 5
    expected = np.append(exact[big], exact[~big].sum()) * len(draws)
    counts = np.append(observed[big], observed[~big].sum())
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_ambiguous_draws_alone_fit_too():
    # Only refined draws reach values whose whole probability is below 2**-16.
    table = noise_table("rounded_gaussian", Fraction(1), 255)
    draws = make(1000, table).noise((4, 0), Purpose.BOUND, 0, 2000).ravel()
    tail = np.count_nonzero(np.abs(draws) >= 5)
    probability = 2 * stats.norm.sf(4.5)
    assert stats.binomtest(tail, len(draws), probability).pvalue > 1e-3
