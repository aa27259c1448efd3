from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from qrobust.certify import CertifyError, read_certificates
from qrobust.planning.votes_of_images import grid, images_of, laws

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def digits():
    return list(read_certificates(MODELS / "digits" / "certificates.jsonl"))


@pytest.fixture(scope="module")
def tests():
    folder = MODELS / "cifar10_resnet20_w4a4"
    return [
        list(islice(read_certificates(folder / name), 100))
        for name in ("certificates.jsonl", "certificates_quarter.jsonl")
    ]


def test_the_law_of_made_up_images_is_found():
    """Three kinds of images, 40 votes each: too few to tell each image, enough for the shares."""
    rng, p = np.random.default_rng(0), grid()
    truth = rng.choice([0.6, 0.9, 0.995], 3000, p=[0.3, 0.3, 0.4])
    votes = rng.binomial(40, truth)
    law = laws(votes, np.full(3000, 40), p)
    np.testing.assert_allclose(law.sum(axis=1), 1)
    assert abs((law @ (p > 0.75)).mean() - 0.7) < 0.03
    assert abs((law @ (p > 0.97)).mean() - 0.4) < 0.04
    assert abs((law @ p).mean() - truth.mean()) < 0.005


def test_a_rule_that_stops_early_does_not_bend_it():
    """Stopped at the first failure, at 300 votes at most: plain shares of votes are far too low."""
    rng, p = np.random.default_rng(1), grid()
    truth = rng.choice([0.5, 0.98], 2000, p=[0.4, 0.6])
    drawn = np.minimum(rng.geometric(1 - truth), 300)
    lost = rng.random(2000) < 1  # every walk but those of 300 ends with a vote against
    votes = drawn - (lost & (drawn < 300))
    law = laws(votes, drawn, p)
    assert abs((law @ (p > 0.9)).mean() - 0.6) < 0.03
    assert (votes / drawn > 0.9).mean() < 0.55


def test_long_lines_give_their_own_share(digits):
    images = images_of([digits], "digits")
    assert (images.count, images.sigma, images.unit) == (300, 64, digits[0].unit)
    first = digits[0]
    here = float(images.law[0] @ images.p)
    assert abs(here - first.votes[first.candidate] / first.n) < 0.01
    assert images.right.tolist() == [line.candidate == line.y for line in digits]


def test_how_far_it_reaches(digits, tests):
    assert images_of([digits], "digits").reach > 3 * 64
    far, near = tests
    assert images_of([far], "tests").reach == Fraction("127.5")
    assert images_of([near], "tests").reach == Fraction("63.75")
    both = images_of([near, far], "tests")
    assert (both.reach, both.count) == (Fraction("127.5"), 100)
    some = images_of([near, far[:60]], "tests")
    assert some.reach == Fraction("63.75")  # of the rest no more is known
    assert some.reason == "a test stops once 63.75 LSB are decided"
    few = images_of([[replace(line, n=20, votes=(20, *[0] * 9)) for line in digits[:9]]], "few")
    assert few.reach < 3 * 64
    assert few.reason == "120 votes of an image show no probability nearer to 1"


def test_journals_that_tell_nothing(digits):
    splits = MODELS / "digits_splits" / "certificates.jsonl"
    with pytest.raises(CertifyError, match="x counts splits: without noise"):
        images_of([read_certificates(splits)], "x")
    with pytest.raises(CertifyError, match="x holds no certificates"):
        images_of([[]], "x")
    for change in ({"y": None}, {"pilot_votes": None}):
        with pytest.raises(CertifyError, match="without pilot votes and true classes"):
            images_of([[replace(digits[0], **change)]], "x")
    other = replace(digits[1], model_sha256="00" * 32)
    with pytest.raises(CertifyError, match="journals of several files"):
        images_of([digits[:1], [other]], "x")
    other = replace(digits[0], input_sha256="00" * 32)
    with pytest.raises(CertifyError, match="image 0 is another one"):
        images_of([digits[:1], [other]], "x")


@pytest.mark.parametrize(
    "change",
    [
        {"candidate": 10},
        {"n": 10**30},
        {"n": -5},
        {"n0": 10**30},
        {"votes": (1, 2)},
        {"votes": (2**62, *[0] * 9), "n": 2**62},
        {"votes": (0,) * 10, "pilot_votes": (0,) * 10, "n": 0, "n0": 0},
        {"pilot_votes": (), "n0": 0},
        {"sigma": "0"},
        {"sigma": "-3"},
        {"sigma": "9999999"},
        {"span": 1 << 16},
        {"settings": {"alpha": "0.001"}},
        {"settings": {"alpha": "0.001", "method": ["sequential"]}},
    ],
)
def test_lines_that_no_run_gives_are_refused(digits, change):
    """A journal is a text that anybody can write: no traceback, no endless search, no forecast."""
    with pytest.raises(CertifyError, match="x: no run gives such votes of image 0"):
        images_of([[replace(digits[0], **change), *digits[1:5]]], "x")


@pytest.mark.parametrize("radius", [None, 3, "nan", "1e99"])
def test_tests_of_no_radius_are_refused(digits, radius):
    settings = digits[0].settings | {"method": "sequential", "radius": radius}
    if radius == 3:  # read as text
        assert images_of([[replace(digits[0], settings=settings)]], "x").reach == 3
        return
    with pytest.raises(CertifyError, match="the radius must"):
        images_of([[replace(digits[0], settings=settings)]], "x")


def test_journals_of_other_grids_are_not_mixed(digits):
    for change in ({"span": 100}, {"coordinates": 3}):
        with pytest.raises(CertifyError, match="journals of several files"):
            images_of([[digits[0], replace(digits[1], **change)]], "x")


def test_a_test_that_a_deadline_ended_tells_no_more_than_its_votes(tests):
    _, near = tests
    line = near[0]
    few = (64, *[0] * 9)
    ended = replace(line, decision="undecided", label=-1, votes=few, n=64, pilot_votes=few, n0=64)
    assert images_of([[line]], "x").reach == Fraction("63.75")
    images = images_of([[replace(ended, settings=line.settings | {"radius": "500"})]], "x")
    assert images.reach < 2.5 * 63.75
    assert images.reason == "128 votes of an image show no probability nearer to 1"
