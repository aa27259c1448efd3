"""What the core says of counted views, against an adversary who moves votes one by one."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.core.claim import COUNTING, Claim, objection, winner

SIDES = {"splits": (0, 0), "bands": (4, 5), "blocks": (3, 4), "ablation": (4, 5)}
SIZES = {"splits": 40, "bands": 1, "blocks": 2, "ablation": 9}


def views(method):
    height, width = SIDES[method]
    return {"bands": width, "blocks": height * width}.get(method, SIZES[method])


def touched(method, radius):
    """How many views a change reaches, by looking at every view and every place of the patch."""
    if method in ("splits", "ablation") or not radius:
        return radius
    (height, width), size = SIDES[method], SIZES[method]
    rows = range(height) if method == "blocks" else range(1)
    most = 0
    for top in range(height - radius + 1):
        for left in range(width - radius + 1):
            reached = 0
            for row in rows:
                for column in range(width):
                    across = {(column + i) % width for i in range(size)}
                    down = {(row + i) % height for i in range(size)} if method == "blocks" else None
                    hit = across & set(range(left, left + radius))
                    reached += bool(hit and (down is None or down & set(range(top, top + radius))))
            most = max(most, reached)
    return most


def survives(votes, unseen, reach):
    """Whether the winner stays if views unseen vote for another and so many votes move over."""
    best = winner(votes)
    for other in range(len(votes)):
        if other == best:
            continue
        moved = list(votes)
        moved[other] += unseen + reach
        moved[best] -= reach
        # A vote can only be taken away where there is one; the rest of the reach abstained.
        if winner(moved) != best:
            return False
    return True


def claim(method, votes, seen, radius):
    return Claim(
        method=method,
        candidate=winner(votes),
        label=winner(votes),
        radius_q16=radius << 16,
        pilot=None,
        votes=tuple(votes),
        n=views(method),
        alpha=Fraction(0),
        sigma=Fraction(0),
        span=255,
        coordinates=24,
        seen=seen,
        size=SIZES[method],
        sides=SIDES[method],
    )


@given(st.sampled_from(COUNTING), st.data())
def test_a_claim_stands_exactly_where_the_adversary_fails(method, data):
    n = views(method)
    seen = data.draw(st.integers(1, n))
    votes, left = [], seen
    for _ in range(3):
        votes.append(data.draw(st.integers(0, left)))
        left -= votes[-1]
    sides = [side for side in SIDES[method] if side]
    radius = data.draw(st.integers(0, min(sides) if sides else n))
    stands = not objection(claim(method, votes, seen, radius))
    assert stands == survives(votes, n - seen, touched(method, radius))


@pytest.mark.parametrize("method", COUNTING)
def test_forged_claims_are_refused(method):
    n = views(method)
    true = claim(method, [n, 0, 0], n, 1)
    assert not objection(true)
    for change, words in (
        ({"radius_q16": (1 << 16) + 1}, "not what was counted"),
        ({"label": 1}, "not what was counted"),
        ({"label": 1, "candidate": 1}, "has not the most votes"),
        ({"votes": (n + 1, 0, 0)}, "views run"),
        ({"seen": n + 1}, "views run"),
        ({"n": n - 1, "seen": n - 1, "votes": (n - 1, 0, 0)}, "planned"),
        ({"seen": n - 1}, "views run"),
        ({"label": -1}, "no radius"),
        ({"radius_q16": (n // 2 + 1) << 16}, "margin"),
    ):
        assert words in objection(replace(true, **change))
    assert not objection(replace(true, label=-1, radius_q16=0))
