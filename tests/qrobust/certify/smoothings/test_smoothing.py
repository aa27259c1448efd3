from fractions import Fraction

import pytest
from scipy import stats

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN, radius_q16
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

ONE = 1 << 48


def make(kind="rounded_gaussian", sigma="12.5", coordinates=10):
    return GaussianSmoothing(
        noise_table(kind, Fraction(sigma), 255), InputGrid("int8", 1.0, -128), coordinates
    )


@pytest.mark.parametrize("p", [0.1, 0.499, 0.5, 0.7, 0.999, 0.9999999])
def test_one_class_is_the_plain_formula(p):
    lower = int(p * ONE)
    assert make().radius_q16(lower, ONE - lower) == radius_q16(lower, Fraction("12.5"))


@pytest.mark.parametrize(("a", "b"), [(0.4, 0.2), (0.45, 0.44), (0.9, 0.001), (0.3, 0.3)])
def test_two_classes_against_scipy(a, b):
    radius = make().radius_q16(int(a * ONE), int(b * ONE)) / 65536
    expected = 12.5 / 2 * (stats.norm.ppf(a) - stats.norm.ppf(b))
    assert expected - 2 / 65536 <= radius <= expected + 1e-9 or (a == b and radius <= 0)


def test_abstains_behind_the_runner_up():
    assert make().radius_q16(ONE // 3, ONE // 2) == ABSTAIN
    assert make().radius_q16(0, 0) == ABSTAIN
    assert make().radius_q16(ONE // 2, ONE) == ABSTAIN


@pytest.mark.parametrize("radius", ["0", "1.75", "30"])
def test_probability_is_the_least_that_certifies(radius):
    smoothing = make()
    p = smoothing.probability(Fraction(radius))
    assert smoothing.radius_q16(p, ONE - p) >= int(Fraction(radius) * 65536)
    assert smoothing.radius_q16(p - 1, ONE - p + 1) < Fraction(radius) * 65536


def test_hopeless_radii():
    with pytest.raises(CertifyError, match="a radius of 80 LSB is more than 6 sigma"):
        make().probability(Fraction(80))


def test_variation_counts_coordinates():
    assert make(coordinates=3072).variation == 3072 * Fraction(510, 2**80)


def test_equal_smoothings_are_equal_keys():
    assert make() == make()
    assert len({make(), make(), make(sigma="3")}) == 2
