"""Smoothing as a method of `verify`: a certificate covers a region, or says nothing of it."""

import numpy as np
import pytest

from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.certificate import L0, L1, L2, PATCH
from qrobust.verify import (
    METHODS,
    PROVEN,
    UNKNOWN,
    Box,
    FamilyOf,
    LinfBall,
    PixelChanges,
    Problem,
    smoothed,
    verify,
)
from qrobust.verify.batch import ProofJob
from qrobust.verify.domain import Domain

from .nets import file_of, picture_net
from .test_problem import rare_ties


def net(channels=1):
    """A file and a picture of which one class is certain."""
    content = file_of(picture_net(4, channels=channels))
    return content, np.full((4, 4, 1), 160, np.uint8)


def problem(kind, **options):
    masked = kind in ("bands", "blocks", "ablation")
    content, x = net(2 if masked else 1)
    if kind == "smoothing":
        spec = SmoothingSpec.for_model(content, sigma=40)
    else:
        spec = SmoothingSpec.for_views(content, kind, options["size"])
    return Problem(attach_spec(content, spec)), x


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("kind", "size"),
    [("smoothing", 0), ("splits", 300), ("bands", 1), ("blocks", 1), ("ablation", 3)],
)
def test_a_region_is_proven_where_the_certificate_covers_it(kind, size):
    opened, x = problem(kind, size=size)
    with Certifier(opened.file.content) as certifier:
        found = certifier.certify(x)
    assert not found.abstained and found.radius > 0
    for region, needed in regions(x, kind):
        outcome = verify(opened, x, region, kind)
        assert outcome.status == (PROVEN if needed(found) else UNKNOWN), region
        assert (outcome.predicted, outcome.inferences) == (found.candidate, found.samples)
    assert {verify(opened, x, r, kind).status for r, _ in regions(x, kind)} == {PROVEN, UNKNOWN}


def regions(x, kind):
    """Boxes of one pixel, ever wider, and what radius each needs: by hand."""
    for pixels in (1, 2, 4):
        for reach in (1, 5, 90):
            low, high = x.astype(np.int16), x.astype(np.int16)
            high[0, :pixels, 0] += reach
            yield Box(low, high), lambda c, p=pixels, r=reach: {
                L2: c.radius > r * p**0.5, L1: c.radius >= r * p, L0: c.radius >= p,
                PATCH: c.radius >= p,
            }[c.norm]  # fmt: skip


def test_sizes_of_regions():
    domain, x = Domain((3, 4, 2), 0, 255), np.full((3, 4, 2), 100, np.int16)
    mask = np.zeros((3, 4, 1), bool)
    mask[1, 1:4] = True
    masked = smoothed._size(LinfBall(7, mask), x, domain)
    assert masked == {L2: 6 * 49, L1: 42, L0: 3, PATCH: 3}
    assert smoothed._size(LinfBall(0), x, domain) == {L2: 0, L1: 0, L0: 0, PATCH: 0}
    x[2, 2] = 250, 0  # the pixel that can change most
    one = smoothed._size(PixelChanges(1), x, domain)
    assert one == {L2: 250**2 + 255**2, L1: 505, L0: 1, PATCH: 1}
    two = smoothed._size(PixelChanges(2), x, domain)
    assert two == {L2: one[L2] + 2 * 155**2, L1: 505 + 310, L0: 2, PATCH: 4}


def test_a_pixel_is_all_that_lies_at_a_row_and_column():
    domain, x = Domain((2, 2, 1, 2), 0, 255), np.full((2, 2, 1, 2), 100, np.int16)
    size = smoothed._size(PixelChanges(1), x, domain)
    assert (size[L2], size[L1], size[L0]) == (2 * 155**2, 310, 1)
    assert smoothed._size(PixelChanges(9), x, domain)[L0] == 4


def test_files_outside_the_contract_and_of_unknown_origin_are_taken(monkeypatch):
    content, x = rare_ties(), np.array([200, 3], np.uint8)
    content = attach_spec(content, SmoothingSpec.for_views(content, "splits", 64))
    with Certifier(content) as certifier:
        found = certifier.certify(x)
    assert verify(content, x, LinfBall(0), "splits").predicted == found.candidate
    opened = Problem(content)
    here = lambda *args, **options: pytest.fail("an interpreter in this process")  # noqa: E731
    monkeypatch.setattr("qrobust.certify.file.runner.Runner", here)
    assert verify(opened, x, LinfBall(0), "splits").status == PROVEN


def test_a_change_that_fills_an_open_ball_is_not_in_it():
    found = type("Certificate", (), {"norm": L2, "radius_q16": 5 << 16})
    assert not smoothed._covers(found, {L2: 25})
    assert smoothed._covers(found, {L2: 24})
    found.norm = L1
    assert smoothed._covers(found, {L1: 5}) and not smoothed._covers(found, {L1: 6})


def test_another_smoothing_a_family_and_a_small_budget_are_refused():
    opened, x = problem("splits", size=300)
    for method, region, budget, says in (
        ("smoothing", LinfBall(1), None, "smoothing is 'splits', not 'smoothing'"),
        ("splits", FamilyOf("light:2"), None, "is a family"),
        ("splits", LinfBall(1), 299, "all 300 views are run; the budget is 299"),
    ):
        with pytest.raises(CertifyError, match=says):
            verify(opened, x, region, method, budget=budget)
    with pytest.raises(CertifyError, match="sigma"):
        verify(net()[0], x, LinfBall(1), "smoothing")


@pytest.mark.parametrize("method", ["milp", *smoothed.NAMES])
def test_no_journal_of_proofs_takes_them(method):
    assert method in METHODS
    opened, _ = problem("splits", size=300)
    with pytest.raises(CertifyError, match="goes into no journal"):
        ProofJob(opened.file.content, "linf:1", method).chosen(opened)
