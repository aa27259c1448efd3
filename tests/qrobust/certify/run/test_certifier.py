from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import ABSTAIN, Certifier, CertifyError, SmoothingSpec, attach_spec
from qrobust.certify.arithmetic.radius import certified_radius, charged_level
from qrobust.certify.arithmetic.streams import Purpose

from ..tiny_models import linear, threshold_model


@pytest.fixture(scope="module")
def certifier(classifier):
    with Certifier(classifier, sigma=30, classes=3, seed=1, threads=2) as made:
        yield made


def test_certificate_says_what_the_votes_say(certifier, images):
    certificate = certifier.certify(images[0], n=1000, alpha=0.01, index=3, y=1)
    votes = certifier.votes(images[0], 1000, index=3)
    pilot = certifier.votes(images[0], 100, index=3, purpose=Purpose.PILOT)
    assert certificate.votes == tuple(votes)
    assert certificate.candidate == np.argmax(pilot)
    level = charged_level(Fraction(1, 100), 1000, certifier.smoothing.variation)
    radius = certified_radius(int(votes[certificate.candidate]), 1000, level, Fraction(30))
    assert certificate.radius_q16 == max(radius, 0)
    assert certificate.label == (ABSTAIN if radius == ABSTAIN else certificate.candidate)
    assert (certificate.samples, certificate.alpha, certificate.y) == (1100, "0.01", 1)
    assert Fraction(certificate.sampler_error) >= Fraction(1, 100) - level > 0


def test_same_everywhere_but_for_time(classifier, images, certifier):
    with Certifier(classifier, sigma="30.0", classes=3, seed=1, threads=1, batch_size=17) as other:
        a, b = (replace(c.certify(images[2], n=500), seconds=0) for c in (certifier, other))
    assert a == b


def test_seed_and_index_change_the_draws(classifier, images, certifier):
    base = certifier.certify(images[5], n=3000)
    other = certifier.certify(images[5], n=3000, index=1)
    with Certifier(classifier, sigma=30, classes=3, seed=2, threads=1) as reseeded:
        third = reseeded.certify(images[5], n=3000)
    assert len({base.votes, other.votes, third.votes}) == 3


def test_abstains_on_the_boundary():
    # At x[0] = t - 1/2 the smoothed classifier is undecided; grids have no half, so balance it
    # with two coordinates instead: class 0 iff x0 > x1.
    with Certifier(linear([[1, -1], [-1, 1]]), sigma=20, classes=2, seed=0, threads=1) as certifier:
        x = np.array([128, 128])
        certificate = certifier.certify(x, n=1000)
        assert certificate.label == ABSTAIN
        assert certificate.abstained
        assert certificate.radius_q16 == 0
        assert certifier.predict(x, n=1000) == ABSTAIN


def test_predict():
    with Certifier(threshold_model(100), sigma=10, classes=2, seed=0, threads=1) as certifier:
        assert certifier.predict(np.array([110, 0, 0, 0]), n=200) == 0
        assert certifier.predict(np.array([80, 0, 0, 0]), n=200) == 1


def test_floats_are_quantized_and_the_certificate_says_so(certifier, images):
    a = certifier.certify(images[0], n=200)
    b = certifier.certify(images[0] + 0.4, n=200)
    assert not a.quantized_input
    assert b.quantized_input
    assert (a.votes, a.input_sha256) == (b.votes, b.input_sha256)


def test_spec_in_the_file(classifier, images, certifier):
    file = attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    with Certifier(file, seed=1, threads=1) as from_spec:
        assert (
            from_spec.certify(images[1], n=200).votes == certifier.certify(images[1], n=200).votes
        )
    Certifier(file, sigma=30.0, threads=1).close()
    with pytest.raises(CertifyError, match="sigma=31 contradicts .* says 30"):
        Certifier(file, sigma=31)
    with pytest.raises(CertifyError, match="noise=other contradicts"):
        Certifier(file, noise="other")


def test_tables_in_the_spec_change_nothing(classifier, images, certifier):
    spec = SmoothingSpec.for_model(classifier, sigma=30, tables=((200, "0.001"),))
    with Certifier(attach_spec(classifier, spec), seed=1, threads=1) as with_table:
        for x in images[:4]:
            a, b = (c.certify(x, n=200) for c in (certifier, with_table))
            assert (
                a.radius_q16
                == b.radius_q16
                == max(spec.tables[0].radius_q16(a.votes[a.candidate]), 0)
            )


def test_needs_a_sigma(classifier):
    with pytest.raises(CertifyError, match="no smoothing spec; give sigma"):
        Certifier(classifier)


@pytest.mark.parametrize("sigma", [0, -4, "0.0"])
def test_sigma_must_be_positive(classifier, sigma):
    with pytest.raises(CertifyError, match="sigma must be positive"):
        Certifier(classifier, sigma=sigma)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 9}, "n=9 samples can never certify .* use n >= 10"),
        ({"n0": 0}, "n0 must be"),
        ({"alpha": 0}, "alpha must lie"),
        ({"alpha": 0.7}, "alpha must lie"),
        ({"alpha": "x"}, "alpha must be a finite number"),
        ({"n": 0}, "n must be at least 1"),
        ({"y": 3}, "image 0 has y=3; the model has classes 0 to 2"),
        ({"y": -1}, "has y=-1"),
        ({"index": -1}, "image index must be in"),
    ],
)
def test_bad_arguments(certifier, images, arguments, message):
    with pytest.raises(CertifyError, match=message):
        certifier.certify(images[0], **arguments)


def test_bad_inputs_name_the_image(certifier):
    with pytest.raises(CertifyError, match=r"image 8 has shape \(5, 4\)"):
        certifier.certify(np.zeros((5, 4), np.uint8), index=8)
    with pytest.raises(CertifyError, match="image 9 holds 300 LSB"):
        certifier.certify(np.full((5, 4, 1), 300), index=9)


def test_bad_counts(certifier, images):
    for arguments, message in (
        ({"n": 0}, "n must be in .1, "),
        ({"n": 5, "start": -1}, "start must be in .0, "),
        ({"n": 5.0}, "n must be an integer, received 5.0"),
        ({"n": True}, "n must be an integer, received True"),
        ({"n": 10**12}, "n must be in"),
    ):
        with pytest.raises(CertifyError, match=message):
            certifier.votes(images[0], **arguments)
    with pytest.raises(CertifyError, match="n must be in"):
        certifier.predict(images[0], n=0)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_bad_seed(classifier, seed):
    with pytest.raises(CertifyError, match="seed must be in"):
        Certifier(classifier, sigma=1, seed=seed, threads=1)


def test_copies_are_what_is_voted_on(certifier, images, weights):
    copies = certifier.copies(images[3], 200, index=3)
    assert copies.shape == (200, 5, 4, 1)
    logits = np.clip((copies.reshape(200, 20) @ weights.T + 4) // 8, -128, 127)
    votes = np.bincount(logits.argmax(1), minlength=3)
    np.testing.assert_array_equal(votes, certifier.votes(images[3], 200, index=3))
