from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from scipy import stats

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, read_spec
from qrobust.certify.ablation import AblationSmoothing
from qrobust.certify.bounds import ABSTAIN
from qrobust.certify.errors import CertifyError
from qrobust.certify.grid import InputGrid
from qrobust.certify.streams import Purpose, Words

from .philox_reference import word
from .tiny_models import linear

GRID = InputGrid("int8", 1.0, -128)
ONE = 1 << 48


def make(shape=(4, 3, 2), keep=5, null=0):
    return AblationSmoothing(GRID, shape, keep, null)


def test_masks_follow_the_specification():
    masks = make().sampler(9).masks(image=2, purpose=Purpose.BOUND, start=3, count=6)
    for i, mask in enumerate(masks):
        words = [word(9, 2, Purpose.BOUND, (3 + i) * 12 + j) for j in range(12)]
        assert set(np.flatnonzero(mask)) == set(np.argsort(words)[:5])


def test_equal_words_keep_the_first_pixels(monkeypatch):
    monkeypatch.setattr(Words, "take", lambda *args: np.zeros(args[-1], np.uint64))
    masks = make().sampler(0).masks(0, 0, 0, 2)
    assert masks.tolist() == 2 * [[True] * 5 + [False] * 7]


def test_channels_share_their_pixels_fate():
    out = np.zeros((50, 24), np.int8)
    tensor = np.full(24, 77, np.int16)
    make(null=3).sampler(0).fill(tensor, out, image=0, purpose=0, start=0)
    pixels = out.reshape(50, 12, 2)
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert ((out == 77) | (out == 3 - 128)).all()
    assert (np.count_nonzero(pixels[..., 0] == 77, axis=1) == 5).all()


def test_every_set_is_as_likely():
    masks = make((5,), keep=2).sampler(1).masks(0, 0, 0, 20_000)
    counts = np.bincount(masks @ (1 << np.arange(5)), minlength=32)
    assert np.count_nonzero(counts) == comb(5, 2)
    assert stats.chisquare(counts[counts > 0]).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.5, 0.6, 0.8, 0.95, 0.9999])
def test_radius_is_the_theorem(p):
    smoothing = make((100,), keep=10)
    lower = int(p * ONE)
    radius = smoothing.radius_q16(lower, ONE - lower)
    delta = [1 - Fraction(comb(100 - rho, 10), comb(100, 10)) for rho in range(91)]
    good = [rho for rho in range(91) if Fraction(lower, ONE) - delta[rho] > Fraction(1, 2)]
    assert radius == (max(good) << 16 if good else ABSTAIN)


@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_probability_is_enough(pixels):
    smoothing = make((100,), keep=10)
    p = smoothing.probability(Fraction(pixels))
    assert smoothing.radius_q16(p, ONE - p) == pixels << 16
    assert smoothing.radius_q16(p - 2, ONE - p + 2) < pixels << 16


def test_bad_arguments():
    with pytest.raises(CertifyError, match=r"keep must lie in \[1, 12 pixels\], received 13"):
        make(keep=13)
    with pytest.raises(CertifyError, match=r"null must lie on the input grid \[0, 255\]"):
        make(null=-1)
    with pytest.raises(CertifyError, match="4 pixels can never be certified .* the most is"):
        make().probability(Fraction(4))


def ablated_class(weights, bias, x, keep):
    """Exact class probabilities of the ablated linear classifier, by listing every set."""
    counts = np.zeros(2, int)
    for chosen in combinations(range(len(x)), keep):
        kept = np.zeros_like(x)
        kept[list(chosen)] = x[list(chosen)]
        counts[int(weights @ kept + bias < 0)] += 1
    return counts


def test_sound_against_every_change_of_so_many_pixels():
    """All inputs within the certified L0 radius, at the extreme values, keep the label."""
    weights, bias, keep = np.array([3, -2, 1, 2, -1, 3, 2]), -60, 3
    model = linear([weights, -weights], bias=[bias, -bias])
    spec = SmoothingSpec.for_ablation(model, keep=keep, null=0)
    with Certifier(attach_spec(model, spec), threads=1) as certifier:
        checked = 0
        for index, x in enumerate(product((0, 90), repeat=7)):
            if index % 8:
                continue
            x = np.array(x)
            certificate = certifier.certify(x, n=2000, alpha="0.0001", index=index)
            assert certificate.norm == "l0"
            if certificate.abstained:
                continue
            exact = ablated_class(weights, bias, x, keep)
            assert certificate.label == exact.argmax()
            for changed in combinations(range(7), int(certificate.radius)):
                for values in product((0, 255), repeat=len(changed)):
                    other = x.copy()
                    other[list(changed)] = values
                    assert ablated_class(weights, bias, other, keep).argmax() == certificate.label
                    checked += 1
    assert checked > 20


def test_spec_round_trip_and_certificate():
    model = linear(np.eye(3, 12), shape=(2, 3, 2))
    spec = SmoothingSpec.for_ablation(
        model, keep=4, null=7, tables=((50, "0.01"),), tests=((0, 100, "0.01"),)
    )
    file = attach_spec(model, spec)
    assert read_spec(file) == spec
    with Certifier(file, threads=1) as certifier:
        certificate = certifier.certify(np.zeros((2, 3, 2), int), n=50, alpha="0.01")
        assert (certificate.keep, certificate.null, certificate.sigma) == (4, 7, None)
        votes = certificate.votes[certificate.candidate]
        assert max(spec.tables[0].radius_q16(votes), 0) == certificate.radius_q16
    with pytest.raises(CertifyError, match="sigma=3 contradicts .* says nothing of it"):
        Certifier(file, sigma=3)
    with pytest.raises(CertifyError, match=r"keep must lie in \[1, 6 pixels\]"):
        SmoothingSpec.for_ablation(model, keep=7, null=0)
    with pytest.raises(CertifyError, match="ablation takes keep and null, and no sigma"):
        SmoothingSpec(Fraction(1), GRID, "ablation", 3, 0)
