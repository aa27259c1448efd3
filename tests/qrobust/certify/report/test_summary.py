from dataclasses import replace
from fractions import Fraction

import numpy as np
from scipy import stats

from qrobust.certify.report.summary import Share, Summary

from ..run.test_certificate import CERTIFICATE


def test_shares_count_correct_and_certified_only():
    certificates = [
        CERTIFICATE,
        replace(CERTIFICATE, index=1, y=0),  # wrong
        replace(CERTIFICATE, index=2, label=-1, radius_q16=0),  # abstained
        replace(CERTIFICATE, index=3, radius_q16=100 << 16),
    ]
    summary = Summary(certificates)
    assert [summary.share(r).value for r in (0, 3, 3.1, 100, 101)] == [0.5, 0.5, 0.25, 0.25, 0]
    assert summary.to_json()["certified_accuracy"]["64"] == 0.25
    assert "4 images, 1 abstained" in summary.text()
    assert summary.unit == "LSB"


def test_intervals_against_scipy():
    share = Share(Fraction(0), 30, 40)
    low, high = stats.binomtest(30, 40).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(share.interval, (low, high), rtol=1e-9)
    assert Share(Fraction(0), 0, 40).interval[0] == 0
    assert Share(Fraction(0), 40, 40).interval[1] == 1
    assert Share(Fraction(0), 0, 0).interval == (0, 1)


def test_the_tested_radius_is_among_the_radii():
    sequential = replace(CERTIFICATE, settings={**CERTIFICATE.settings, "radius": "12.75"})
    assert [float(r) for r in Summary([sequential]).radii] == [0, 12.75]


def test_pixels():
    pixels = replace(CERTIFICATE, norm="l0", sigma=None, radius_q16=3 << 16)
    summary = Summary([pixels])
    assert summary.unit == "pixels"
    assert [s.value for s in summary.shares()] == [1, 1, 1, 0, 0, 0]
    assert "radius (pixels)" in summary.text()


def test_without_labels_and_without_certificates():
    assert "certified_share" in Summary([replace(CERTIFICATE, y=None)]).to_json()
    assert Summary([]).to_json()["images"] == 0
    assert "0 images" in Summary([]).text()
