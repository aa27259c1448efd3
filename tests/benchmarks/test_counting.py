"""Certificates by counting beside others: radii, pairs, and what the tables refuse."""

from argparse import Namespace
from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import counting
import numpy as np
import pytest
from counting import Case, check_same_images, compared, uniform_radius

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, lower_bound


def case(kind, name, reach, inputs=()):
    return Case(name, kind, "0", np.array(reach, float), 1.0, inputs)


def moved_share(change, reach):
    """How much probability a change moves: all noise of one place, all places, by enumeration."""
    noise = list(product(range(-reach, reach + 1), repeat=len(change)))
    there = {tuple(k + d for k, d in zip(draw, change, strict=True)) for draw in noise}
    return Fraction(len(there - set(noise)), len(noise))


def test_no_change_within_a_uniform_radius_moves_half_of_what_is_left():
    n, reach, right = 1000, 3, 900
    p = Fraction(lower_bound(n, right, counting.ALPHA), 1 << PROBABILITY_BITS)
    radius = uniform_radius(right, n, reach)
    assert radius >= 2
    changes = list(product(range(-radius - 1, radius + 2), repeat=3))
    inside = [c for c in changes if sum(map(abs, c)) <= radius]
    assert all(p - moved_share(c, reach) > Fraction(1, 2) for c in inside)
    # One step further there is a change that the bound does not cover: the radius is the greatest.
    outside = [c for c in changes if sum(map(abs, c)) == radius + 1]
    assert any(p - moved_share(c, reach) <= Fraction(1, 2) for c in outside)


def test_half_of_the_votes_say_nothing():
    assert uniform_radius(500, 1000, 256) == -1
    assert uniform_radius(1000, 1000, 256) < 256


def test_the_best_of_each_kind_is_compared_image_by_image():
    cases = [
        case("splits", "few", [40, 40, -1, 0]),
        case("splits", "many", [90, 70, 70, 10]),
        case("Gaussian", "64", [33, 64, -1, 64]),
        case("uniform", "256", [200, -1, -1, -1]),
    ]
    far, near = compared(cases, (64, 32))
    assert (far["splits"], near["splits"]) == ("many", "many")
    assert far["points over Gaussian"].startswith("+25.0 (")  # 3 of 4 and 2 of 4
    assert near["points over Gaussian"].startswith("+0.0 (")
    assert near["points over uniform"].startswith("+50.0 (")


def test_a_radius_between_integers_asks_for_the_whole_steps_below():
    assert case("splits", "M", [126, 127, 128]).at(127.5).tolist() == [False, True, True]


def test_other_images_are_no_comparison():
    mine, theirs = (case("splits", name, [1.0], (name,)) for name in "ab")
    check_same_images([mine, mine])
    with pytest.raises(SystemExit, match="b was certified on other images than a"):
        check_same_images([mine, theirs])


@pytest.mark.parametrize(("table", "norm"), [("l1", "splits"), ("patches", "bands")])
def test_a_table_without_a_journal_says_what_is_missing(table, norm, monkeypatch, tmp_path):
    monkeypatch.setattr(counting, "MODELS", tmp_path)
    options = Namespace(folders=[], tiny=False, record=None, images=1)
    with pytest.raises(SystemExit, match=f"no journal of {norm}"):
        counting.TABLES[table](options)


def test_patches_count_votes_as_the_certificates_do():
    shipped = counting.Journal(counting.MODELS / "digits_bands")
    for line in shipped.lines[:100]:
        sides = [
            side
            for side in range(1, line.counting["width"] + 1)
            if counting.stands(
                np.array(line.votes), counting.touched_of(line.noise, side, line.counting)
            )
        ]
        assert max(sides, default=0) == line.radius


def test_a_gap_in_a_journal_is_refused():
    journal = counting.Journal(counting.MODELS / "digits_splits")
    gap = SimpleNamespace(folder=journal.folder, lines=journal.lines[1:4], name="gap")
    with pytest.raises(SystemExit, match="the first images, all of them"):
        counting.Journal.case(gap, "512 splits", "splits")


def test_networks_of_one_m_keep_their_columns(capsys):
    folder = counting.MODELS / "digits_splits"
    options = Namespace(folders=[folder, folder / "wide", folder], tiny=True, record=None)
    assert counting.l1(options) == 0
    said = capsys.readouterr().out
    assert "512 splits, digits_splits" in said and "1,024 splits, digits_splits/wide" in said
    assert "published" not in said  # those are CIFAR-10's
