"""Clipped weights whose neighbours make up for it."""

import numpy as np

from qrobust.quantization.clipping import clipped


def setting(seed):
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 1, (400, 3))
    x = np.abs(common @ rng.normal(0, 1, (3, 8)) + rng.normal(0, 0.2, (400, 8)))
    weights = rng.integers(-32, 32, (8, 6))
    weights[2, 1] = weights[5, 4] = -32
    return x, weights


def test_weights_fit_and_the_result_moves_less_than_by_clipping_alone():
    for seed in range(5):
        x, weights = setting(seed)
        alone, helped = clipped(weights, 31, None), clipped(weights, 31, x)
        assert np.abs(helped).max() <= 31
        errors = [np.square(x @ (w - weights)).mean(axis=0) for w in (alone, helped)]
        assert np.all(errors[1] <= errors[0] + 1e-9)
        assert errors[1].sum() < 0.7 * errors[0].sum()


def test_channels_that_fit_stay():
    x, weights = setting(0)
    fits = np.all(weights > -32, axis=0)
    np.testing.assert_array_equal(clipped(weights, 31, x)[:, fits], weights[:, fits])
