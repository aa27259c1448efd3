from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qrobust.certify import CertifyError, Settings, read_certificates
from qrobust.certify.arithmetic.radius import certified_radius, charged_level
from qrobust.planning.forecast import forecast, least_votes, smoothing_of
from qrobust.planning.votes_of_images import images_of

MODELS = Path(__file__).parents[3] / "models"
SMOOTHING = smoothing_of(Fraction(64), 255, 64)
P = np.array([0.3, 0.8, 0.85, 0.9, 0.999])


def test_a_bound_certifies_where_its_votes_do():
    level = charged_level(Fraction(1, 1000), 1000, SMOOTHING.variation)
    least = least_votes(1000, SMOOTHING.probability(Fraction(64)), level)
    enough, short = (certified_radius(k, 1000, level, Fraction(64)) for k in (least, least - 1))
    assert short < 64 << 16 <= enough
    found = forecast(Settings(n=1000), Fraction(64), P, SMOOTHING)
    np.testing.assert_allclose(found.accepted, stats.binom.sf(least - 1, 1000, P), rtol=1e-9)
    assert found.samples.tolist() == [1100] * 5


def test_a_test_is_simulated_as_it_runs():
    settings = Settings(method="sequential_early", radius="64")
    found = forecast(settings, Fraction(64), P, SMOOTHING)
    assert found.accepted[0] == found.accepted[1] == 0
    assert found.accepted[-1] == 1
    assert found.samples[0] == 64  # given up by its pilot
    assert found.samples[-1] < 200
    assert found.samples[2] > 500  # .85 is close to .841


def test_what_is_no_forecast():
    with pytest.raises(CertifyError, match="no forecast of two_class"):
        forecast(Settings(method="two_class"), Fraction(64), P, SMOOTHING)
    with pytest.raises(CertifyError, match="no forecast of sequential"):
        forecast(Settings(method="sequential", radius="3"), Fraction(64), P, SMOOTHING)


def shares(journal, at, grid, **settings):
    images = images_of([read_certificates(MODELS / journal)], journal)
    found = forecast(
        Settings(**settings), Fraction(at), images.p, smoothing_of(images.sigma, *grid)
    )
    return images.share(found.accepted), images.average(found.samples)


@pytest.mark.parametrize("radius", [0, 32, 64, 96, 128, 160])
def test_a_bound_of_digits_is_forecast_as_it_came_out(radius):
    lines = list(read_certificates(MODELS / "digits" / "certificates.jsonl"))
    came = np.mean([line.label == line.y and line.radius >= radius for line in lines])
    share, votes = shares("digits/certificates.jsonl", radius, (255, 64), n=10_000)
    assert abs(share - came) < 0.01
    assert votes == 10_100


def test_a_test_at_another_radius_is_forecast_from_a_journal_of_tests():
    """From tests at two sigma what tests at one sigma came to: 756 of 1,202, 320 votes."""
    folder = "cifar10_resnet20_w4a4"
    lines = list(read_certificates(MODELS / folder / "certificates_quarter.jsonl"))
    came = np.mean([line.label == line.y for line in lines])
    taken = np.mean([line.samples for line in lines])
    settings = {"method": "sequential_early", "radius": "63.75"}
    share, votes = shares(f"{folder}/certificates.jsonl", "63.75", (255, 3072), **settings)
    assert abs(share - came) < 0.03
    assert abs(votes / taken - 1) < 0.25
