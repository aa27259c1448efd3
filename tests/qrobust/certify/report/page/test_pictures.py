from dataclasses import replace

import numpy as np
import pytest

from qrobust.certify.report.page.pictures import as_picture, distance, within

from ...run.test_certificate import CERTIFICATE

pytest.importorskip("PIL")
COUNTED = {"sigma": None, "settings": {"alpha": "0"}}


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 7, 3), (9, 4)])
@pytest.mark.parametrize(
    ("norm", "radius", "changes"),
    [
        ("l2", 90, {}),
        ("l2", 5000, {}),
        ("l2", 3, {}),
        ("l1", 700, COUNTED),
        ("patch", 3, COUNTED),
        ("l0", 5, COUNTED),
    ],
)
def test_nothing_is_shown_beyond_the_radius(monkeypatch, shape, norm, radius, changes):
    from qrobust.certify.report.page import pictures

    generator = np.random.default_rng(3)
    picture = as_picture(generator.integers(0, 256, shape, np.uint8))
    other = as_picture(generator.integers(0, 256, shape, np.uint8))
    certificate = replace(CERTIFICATE, norm=norm, radius_q16=radius << 16, **changes)
    drawn = []
    plain = pictures.shown
    monkeypatch.setattr(
        pictures, "shown", lambda p, *words: drawn.append((p, *words)) or plain(p, *words)
    )
    shown = list(within(picture, certificate, [("towards", other)]))
    assert len(shown) == len(drawn)
    assert all(one.src.startswith("data:image/png;base64,") for one in shown)
    changed = [(p, said) for p, _, *said in drawn if said and "not within" not in said[0]]
    assert changed
    for p, said in changed:
        assert p.min() >= 0 and p.max() <= 255
        change = np.abs(p - picture)
        if norm == "l2":
            assert 0 < (change**2).sum() < radius**2
        elif norm == "l1":
            assert 0 < change.sum() <= radius
        elif norm == "l0":
            assert 0 < change.any(axis=2).sum() <= radius
        else:
            rows, columns = np.nonzero(change.any(axis=2))
            assert np.ptp(rows) < radius and np.ptp(columns) < radius
        assert said == [distance(picture, p, certificate)]


def test_an_abstention_allows_nothing():
    picture = as_picture(np.zeros((8, 8), np.uint8))
    certificate = replace(CERTIFICATE, label=-1, radius_q16=0)
    assert [one.caption for one in within(picture, certificate, [])] == [
        "the picture",
        "a noisy copy, as the voters see it",
    ]


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((8, 8), np.float32),
        np.full((8, 8), 256),
        np.full((8, 8), -1),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_what_is_no_picture(x):
    assert as_picture(x) is None
