"""Augmentation that changes the light, beside the same crops without it."""

import numpy as np
import pytest

from qrobust.training.batches import batches


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
