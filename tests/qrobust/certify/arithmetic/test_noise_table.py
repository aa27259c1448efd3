from bisect import bisect_right
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import AMBIGUOUS, FIRST_CODE, noise_table

KIND = "rounded_gaussian"
SIGMAS = [Fraction("0.25"), Fraction(1), Fraction("7.65"), Fraction(64), Fraction(1000)]


@pytest.fixture(params=SIGMAS, ids=str, scope="module")
def table(request):
    return noise_table(KIND, request.param, 255)


@pytest.mark.ordinary(3)
def test_thresholds_equal_an_independent_computation(table):
    with mpmath.workprec(500):
        sigma = mpmath.mpf(table.sigma.numerator) / table.sigma.denominator
        expected = [
            int(mpmath.floor(mpmath.ldexp(mpmath.ncdf((v + mpmath.mpf(1) / 2) / sigma), 80)))
            for v in range(-255, 255)
        ]
    # mpmath rounds Phi to 1 where it is closer to 1 than its precision shows.
    assert list(table.thresholds) == [min(t, 2**80 - 1) for t in expected]


def test_lookup_agrees_with_the_thresholds_at_both_ends_of_every_word(table):
    first = [bisect_right(table.thresholds, w << 64) - 255 for w in range(1 << 16)]
    last = [bisect_right(table.thresholds, (w << 64) + 2**64 - 1) - 255 for w in range(1 << 16)]
    settled = np.array(first) == last
    np.testing.assert_array_equal(table.lookup >= AMBIGUOUS, settled)
    np.testing.assert_array_equal(table.lookup[settled], np.array(first)[settled])
    codes = FIRST_CODE + np.arange(np.count_nonzero(~settled))
    np.testing.assert_array_equal(table.lookup[~settled], codes)


def test_few_words_are_ambiguous(table):
    assert np.count_nonzero(table.lookup < AMBIGUOUS) <= 2 * 255


def test_refinement_counts_thresholds_exactly(table):
    draws = [0, 2**80 - 1]
    for t in table.thresholds:
        draws += [max(t - 1, 0), t, min(t + 1, 2**80 - 1)]
    words = np.array([u >> 64 for u in draws], np.int64)
    rests = np.array([u & (2**64 - 1) for u in draws], np.uint64)
    expected = [bisect_right(table.thresholds, u) - 255 for u in draws]
    values = table.lookup[words]
    open_ = values < AMBIGUOUS
    values[open_] = table.refine(values[open_], rests[open_])
    np.testing.assert_array_equal(values, expected)


def test_variation_is_below_two_to_the_minus_70(table):
    assert table.variation <= Fraction(1, 2**70)


def test_tables_are_shared_and_read_only(table):
    assert noise_table(KIND, table.sigma, 255) is table
    with pytest.raises(ValueError, match="read-only"):
        table.lookup[0] = 1


@pytest.mark.parametrize(
    ("kind", "sigma", "span", "message"),
    [
        ("laplace", 1, 255, "unknown noise 'laplace'; known: rounded_gaussian"),
        (KIND, 0, 255, "sigma must be positive"),
        (KIND, -3, 255, "received -3"),
        (KIND, 1, 0, "spans 1 to 255"),
        (KIND, 1, 65535, "received 65535"),
    ],
)
def test_bad_arguments(kind, sigma, span, message):
    with pytest.raises(CertifyError, match=message):
        noise_table(kind, Fraction(sigma), span)
