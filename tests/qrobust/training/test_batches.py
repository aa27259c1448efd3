"""Augmentation that changes the light, beside the same crops without it."""

import numpy as np
import pytest

from qrobust.training.batches import batches
from qrobust.verify.domain import Domain
from qrobust.verify.families import make_family


def test_another_light_keeps_half_and_changes_no_label():
    rng = np.random.default_rng(0)
    pictures = rng.integers(60, 190, (8, 12, 12, 3)).astype(np.uint8)
    options = {"batch_size": 8, "augment": "corrupt", "seed": 1}
    plain = options | {"augment": "crop_flip"}
    changed, spreads = [], []
    streams = (batches(pictures, np.arange(8), **o).repeat(40) for o in (options, plain))
    for (lit, label), (crop, same) in zip(*streams, strict=True):
        lit, crop = lit.numpy(), crop.numpy()
        assert np.array_equal(label, same)  # the same crops and flips: the light alone differs
        assert np.array_equal(lit, np.rint(lit)) and lit.min() >= 0 and lit.max() <= 255
        for a, b in zip(lit, crop, strict=True):
            changed.append(bool((a != b).any()))
            if changed[-1]:
                spreads.append(a.std() / b.std())
    assert abs(np.mean(changed) - 0.5) < 5 * 0.5 / np.sqrt(320)
    assert min(spreads) < 0.5
    with pytest.raises(ValueError, match="pixels 0 to 255"):
        batches(np.full((4, 5, 5, 1), -3), np.arange(4), **options)


def test_pictures_of_families_are_members_of_them():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (6, 7, 2)).astype(np.uint8)
    family = make_family("shift:4*light:48", Domain(picture.shape, 0, 255))
    allowed = [
        {member.tobytes() for member in family.apply(start, np.arange(family.size))}
        for start in (picture.astype(np.int16), picture[:, ::-1].astype(np.int16))
    ]
    stream = batches(picture[None].repeat(8, 0), np.zeros(8), batch_size=8, augment="families",
                     seed=3)  # fmt: skip
    drawn = np.concatenate([x.numpy() for x, _ in stream.repeat(40)]).astype(np.int16)
    found = [[member.tobytes() in members for members in allowed] for member in drawn]
    assert all(any(row) for row in found)
    straight = np.mean([row[0] for row in found])
    assert abs(straight - 0.5) < 5 * 0.5 / np.sqrt(320)
    assert len({member.tobytes() for member in drawn}) > 300  # all but a few differ
    assert drawn.mean(axis=(1, 2, 3)).min() < 110 < 150 < drawn.mean(axis=(1, 2, 3)).max()
    smaller = make_family("shift:3*light:48", Domain(picture.shape, 0, 255))
    near = {m.tobytes() for m in smaller.apply(picture.astype(np.int16), np.arange(smaller.size))}
    assert any(row[0] and m.tobytes() not in near for row, m in zip(found, drawn, strict=True))
    with pytest.raises(ValueError, match="'families' is of pictures of pixels 0 to 255"):
        batches(np.full((4, 5, 5, 1), -3), np.arange(4), batch_size=4, augment="families", seed=1)
