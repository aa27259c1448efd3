"""Light, gain, shift, time and products, against loops over their definitions."""

from itertools import product

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain
from qrobust.verify.families import make_family

PICTURE = Domain((5, 4, 3), 0, 255)
SOUND = Domain((6, 4, 1), -128, 127)


def x_of(domain, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(domain.low, domain.high + 1, domain.shape).astype(np.int16)


def members(family, x):
    return {p.tobytes() for p in family.apply(x, np.arange(family.size))}


def as_set(pictures):
    return {np.asarray(p, np.int16).tobytes() for p in pictures}


def test_light():
    x = x_of(PICTURE)
    family = make_family("light:32", PICTURE)
    assert family.size == 65
    expected = [np.clip(x + k, 0, 255) for k in range(-32, 33)]
    assert members(family, x) == as_set(expected)
    assert [family.name(i) for i in range(3)] == ["light +0", "light +1", "light -1"]


def moved(x, dy, dx, border):
    out = np.zeros_like(x)
    height, width = x.shape[:2]
    for i, j in product(range(height), range(width)):
        a, b = i - dy, j - dx
        if border == "wrap":
            a, b = a % height, b % width
        if border == "edge":
            a, b = min(max(a, 0), height - 1), min(max(b, 0), width - 1)
        if 0 <= a < height and 0 <= b < width:
            out[i, j] = x[a, b]
    return out


@pytest.mark.parametrize("border", ["edge", "zero", "wrap"])
def test_shift(border):
    x = x_of(PICTURE)
    family = make_family(f"shift:2:border={border}", PICTURE)
    assert family.size == 25
    steps = range(-2, 3)
    assert members(family, x) == as_set(moved(x, *m, border) for m in product(steps, steps))


@pytest.mark.parametrize("border", ["edge", "zero"])
def test_time(border):
    x = x_of(SOUND)
    family = make_family(f"time:3:border={border}", SOUND)
    assert members(family, x) == as_set(moved(x, dt, 0, border) for dt in range(-3, 4))


def test_gain_moves_coefficient_0_only():
    x = x_of(SOUND)
    expected = []
    for k in range(-9, 10):
        changed = x.copy()
        changed[:, 0] = np.clip(changed[:, 0] + k, -128, 127)
        expected.append(changed)
    assert members(make_family("gain:9", SOUND), x) == as_set(expected)


def test_a_product_is_one_after_the_other():
    x = x_of(PICTURE)
    family = make_family("light:2*shift:1:border=zero", PICTURE)
    assert family.size == 45
    steps = range(-1, 2)
    expected = as_set(
        moved(np.clip(x + k, 0, 255), dy, dx, "zero")
        for k, dy, dx in product(range(-2, 3), steps, steps)
    )
    assert members(family, x) == expected
    assert family.name(1) == "light +0, shift -1 rows +0 columns"


def test_distinct_members_of_a_product_give_every_picture():
    x = np.where(x_of(PICTURE) > 128, 200, 10).astype(np.int16)
    family = make_family("shift:1*contrast:.9..1.1", PICTURE)
    distinct = family.distinct(x)
    assert len(distinct) < family.size // 5
    assert as_set(family.apply(x, distinct)) == members(family, x)


@pytest.mark.parametrize(
    "text",
    ["light:32", "shift:1", "contrast:.9..1.1", "gamma:.9..1.1", "rotate:5", "light:1*shift:1"],
)
def test_member_0_changes_nothing_and_the_text_reads_back(text):
    x = x_of(PICTURE)
    family = make_family(text, PICTURE)
    assert (family.apply(x, np.array([0]))[0] == x).all()
    again = make_family(family.text, PICTURE)
    assert again.text == family.text
    assert again.size == family.size
    assert family.claim


def test_a_product_of_more_members_than_memory_gives_its_first():
    """4.6e21 members, of which as many are listed as are asked for."""
    x = x_of(PICTURE)
    family = make_family("*".join(["light:255"] * 8), PICTURE)
    assert family.size == 511**8
    first = family.distinct(x, 600)
    assert len(first) == 600
    small = make_family("light:2*contrast:.9..1.1", PICTURE)
    every = small.distinct(x)
    for most in (1, 7, len(every) - 1, len(every), len(every) + 5):
        assert (small.distinct(x, most) == every[:most]).all()


@pytest.mark.ordinary(4)
@pytest.mark.parametrize(
    "text",
    [
        "light:9", "shift:1:border=zero", "contrast:.8..1.25", "contrast:.8..1.25:pivot=100",
        "gamma:.7..1.4", "rotate:30", "rotate:20:border=wrap", "light:2*shift:1",
    ],
)  # fmt: skip
def test_what_is_drawn_by_definition_is_a_member(text):
    x = x_of(PICTURE)
    family = make_family(text, PICTURE)
    known, drawn = members(family, x), set()
    rng = np.random.default_rng(5)
    for _ in range(12 if "gamma" in text else 60):
        picture = family.draw(x, rng)
        assert picture.dtype == np.int16
        assert picture.tobytes() in known
        drawn.add(picture.tobytes())
    assert len(drawn) >= min(len(known) // 2, 8)


@pytest.mark.parametrize(
    "text",
    ["light", "light:", "light:0", "light:256", "light:1.5", "light:x", "glow:3", "shift:4",
     "shift:1:border=mirror", "shift:1:edge", "light:3:border=edge", "light:3*", "time:5", "",
     "shift:1:border=edge:border=wrap"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(CertifyError):
        make_family(text, PICTURE)


def test_vectors_have_no_rows_and_columns():
    for text in ("shift:1", "time:1", "rotate:5", "gain:3"):
        with pytest.raises(CertifyError):
            make_family(text, Domain((10,), 0, 255))


def test_a_zero_border_needs_a_zero():
    with pytest.raises(CertifyError, match="off the grid"):
        make_family("shift:1:border=zero", Domain((5, 5, 1), 3, 100))
