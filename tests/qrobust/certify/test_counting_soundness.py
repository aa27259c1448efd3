"""No change within a certified radius changes a label: every pair, and mutants that fail."""

import itertools

import numpy as np
import pytest

from qrobust.certify import Certifier, SmoothingSpec, attach_spec

from .tiny_models import linear


def changes(radius, low, x):
    """Every whole change of two numbers with L1 size at most the radius, inside [0, 255]."""
    span = range(-radius, radius + 1)
    for first, second in itertools.product(span, span):
        y = x + (first, second)
        if abs(first) + abs(second) <= radius and (y >= low).all() and (y <= 255).all():
            yield y


def tight_file(splits):
    """Two numbers against each other with a tie where they are equal."""
    model = linear([[1, 0], [0, 1], [0, 0]], bias=[0, 0, 60], shape=(2,))
    return attach_spec(model, SmoothingSpec.for_views(model, "splits", splits))


@pytest.fixture(scope="module")
def split_table():
    """Winner and radius of every pair of numbers of a window, through the certifier."""
    low, high = 40, 96
    with Certifier(tight_file(12), threads=1, trusted=True) as certifier:
        return {
            (a, b): (c.label, int(c.radius), c.votes)
            for a in range(low, high)
            for b in range(low, high)
            for c in [certifier.certify(np.array([a, b], np.uint8))]
        }


def violations(table, radius_of):
    found = pairs = 0
    for (a, b), (label, radius, votes) in table.items():
        for y in changes(radius_of(label, radius, votes), 0, np.array([a, b])):
            other = table.get((int(y[0]), int(y[1])))
            if other is not None:
                pairs += 1
                found += other[0] != label
    return found, pairs


def test_no_change_within_the_radius_changes_the_label(split_table):
    found, pairs = violations(split_table, lambda label, radius, votes: radius)
    assert found == 0 and pairs > 50_000


def test_a_radius_of_one_more_would_be_wrong(split_table):
    assert violations(split_table, lambda label, radius, votes: radius + 1)[0] > 0


def test_a_radius_without_the_tie_rule_would_be_wrong(split_table):
    def without(label, radius, votes):
        return (votes[label] - max(v for c, v in enumerate(votes) if c != label)) // 2

    assert violations(split_table, without)[0] > 0


@pytest.mark.thorough
def test_no_change_of_so_many_pixels_changes_the_label():
    """Pictures of 3 x 4 in black and white: every change of every certified number of pixels."""
    weights = np.random.default_rng(3).integers(-3, 4, (2, 24))
    model = linear(weights, shape=(3, 4, 2), output_shift=3)
    file = attach_spec(model, SmoothingSpec.for_views(model, "ablation", 9))
    with Certifier(file, threads=1, trusted=True) as certifier:
        table = []
        for values in itertools.product((0, 255), repeat=12):
            c = certifier.certify(np.array(values, np.uint8).reshape(3, 4, 1))
            table.append((c.norm, c.label, int(c.radius)))
    assert {norm for norm, _, _ in table} == {"l0"}
    labels = np.array([label for _, label, _ in table])
    radii = np.array([radius for _, _, radius in table])
    # Pictures are 12 bits: their L0 distance is the number of bits that differ.
    codes = np.arange(len(table))
    away = np.array([bin(code).count("1") for code in range(len(table))])
    distance = away[codes[:, None] ^ codes]
    differs = labels[:, None] != labels
    assert (radii > 0).sum() > 500 and radii.max() > 1
    assert not (differs & (distance <= radii[:, None])).any()
    assert (differs & (distance <= radii[:, None] + 1)).any()


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("kind", ["bands", "blocks"])
def test_no_patch_within_the_radius_changes_the_label(kind):
    """Pictures of 3 x 4 in black and white: every place and content of each certified patch."""
    weights = np.random.default_rng(8).integers(-3, 4, (2, 24))
    model = linear(weights, shape=(3, 4, 2), output_shift=3)
    file = attach_spec(model, SmoothingSpec.for_views(model, kind, 1))
    pictures = list(itertools.product((0, 255), repeat=12))
    with Certifier(file, threads=1, trusted=True) as certifier:
        table = {}
        for values in pictures:
            c = certifier.certify(np.array(values, np.uint8).reshape(3, 4, 1))
            table[values] = (c.label, int(c.radius))

    def broken(more):
        found = 0
        for values, (label, radius) in table.items():
            side = min(radius + more, 3)
            for top, left in itertools.product(range(4 - side), range(5 - side)):
                places = [4 * (top + i) + left + j for i in range(side) for j in range(side)]
                for content in itertools.product((0, 255), repeat=len(places)):
                    changed = list(values)
                    for place, pixel in zip(places, content, strict=True):
                        changed[place] = pixel
                    found += table[tuple(changed)][0] != label
                    if found and more:
                        return found
        return found

    assert sum(radius > 0 for _, radius in table.values()) > 20
    assert broken(0) == 0
    assert broken(1) > 0
