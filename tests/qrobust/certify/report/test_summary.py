from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
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
    at_once = replace(CERTIFICATE, settings={**CERTIFICATE.settings, "radius": "0"})
    assert Summary([at_once]).radii == [0]


def test_pixels():
    pixels = replace(CERTIFICATE, norm="patch", radius_q16=3 << 16)
    summary = Summary([pixels])
    assert summary.unit == "pixels"
    assert [s.value for s in summary.shares([0, 1, 3, 4])] == [1, 1, 1, 0]
    assert "radius (pixels)" in summary.text()


def test_features_have_no_unit_scale():
    for unit, shown in ((None, True), ("pixel step", True), ("feature step (MFCC)", False)):
        summary = Summary([replace(CERTIFICATE, unit=unit)])
        assert ("on [0, 1]" in summary.text()) is summary.has_unit_scale is shown


def test_without_labels_and_without_certificates():
    assert "certified_share" in Summary([replace(CERTIFICATE, y=None)]).to_json()
    assert Summary([]).to_json()["images"] == 0
    assert "0 images" in Summary([]).text()


@given(
    st.lists(
        st.tuples(st.integers(-1, 2), st.integers(0, 200 << 16), st.sampled_from([None, 0, 1])),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 250 << 16),
)
def test_every_place_that_counts_says_the_same(items, radius_q16):
    """Share, curve, JSON and report: also of unlabelled data, against a count by hand."""
    run = [
        replace(CERTIFICATE, index=i, label=label, y=y, radius_q16=q if label >= 0 else 0)
        for i, (label, q, y) in enumerate(items)
    ]
    radius = Fraction(radius_q16, 1 << 16)
    by_hand = sum(
        label >= 0 and (y is None or y == label) and Fraction(q, 1 << 16) >= radius
        for label, q, y in items
    )
    summary = Summary(run)
    assert summary.share(radius).certified == by_hand
    radii, shares = summary.curve()
    reached = [share for r, share in zip(radii, shares, strict=True) if r >= radius]
    assert (max(reached) if reached else 0) == by_hand / len(run)
    name = "certified_accuracy" if all(y is not None for *_, y in items) else "certified_share"
    assert summary.to_json([radius])[name] == {f"{float(radius):g}": by_hand / len(run)}


def test_missing_images_count_as_not_certified():
    run = [replace(CERTIFICATE, index=i) for i in range(40)]
    whole, part = Summary(run), Summary(run, planned=80)
    assert whole.share(1).value == 1.0
    assert part.share(1).value == 0.5
    assert part.to_json()["planned"] == 80
    assert part.curve()[1][0] == 0.5
    assert "40 of 80 planned images were attempted; the others" in part.text()


def test_the_joint_statement():
    run = [replace(CERTIFICATE, index=i) for i in range(1000)]
    value = Summary(run).to_json()["joint"]
    # P(Bin(1000, .001) > 4) = .0037, > 3 = .019
    assert value["most_false"] == 4
    assert value["shares"]["0"] == 0.996
    assert "at most 4 of the 1000 are false" in Summary(run).text()
    assert Summary([]).statements == ()


def test_keys_are_said():
    assert "Keys are chosen." in Summary([CERTIFICATE]).text()
    claimed = replace(CERTIFICATE, key_level="witnessed")
    assert "witnessed: claimed" in Summary([claimed]).text()
    assert Summary([CERTIFICATE, claimed]).key_level == "mixed"
