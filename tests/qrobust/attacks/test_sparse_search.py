"""Few changes: every candidate inside its threat model, and each fools an undefended network."""

import json

import numpy as np
import pytest
from attack_models import DIGITS

from qrobust import cli
from qrobust.attacks import L0, L1, L2, PATCH, Budget, project, projected_gradient, sparse_search
from qrobust.attacks.ground.pixel_grid import PixelGrid, sizes, violations

GRID = PixelGrid()


def by_loops(x, adversarial, norm):
    """Size of one perturbation without a line of the package's own."""
    places = [
        (r, c)
        for r in range(x.shape[0])
        for c in range(x.shape[1])
        if any(int(a) != int(b) for a, b in zip(x[r, c], adversarial[r, c], strict=True))
    ]
    if norm == L1:
        return sum(abs(int(a) - int(b)) for a, b in zip(x.flat, adversarial.flat, strict=True))
    if norm == L0:
        return len(places)
    if not places:
        return 0
    rows, columns = zip(*places, strict=True)
    return max(max(rows) - min(rows), max(columns) - min(columns)) + 1


@pytest.mark.parametrize("norm", [L1, L0, PATCH])
def test_sizes_are_those_of_loops_and_what_is_outside_is_seen(norm):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 5, 6, 3)).astype(np.int16)
    y = x.copy()
    for image, count in zip(y, range(40), strict=True):
        for _ in range(count % 5):
            image[rng.integers(5), rng.integers(6), rng.integers(3)] = rng.integers(256)
    expected = [by_loops(a, b, norm) for a, b in zip(x, y, strict=True)]
    assert sizes(x, y, norm).tolist() == expected
    for limit in (1, 2, 3):
        outside = sum(size > limit for size in expected)
        assert violations(x, y, Budget(limit, norm), GRID) == outside > 0


@pytest.mark.parametrize(("norm", "size"), [(L1, 300), (L0, 3), (PATCH, 3)])
def test_few_changes_fool_an_undefended_network(linear, pixels, labels, norm, size):
    """A linear network: changes of this size fool most images, and less than that hardly any."""
    found = sparse_search(linear, pixels[:80], labels[:80], Budget(size, norm), queries=400)
    assert found.fallen.mean() > 0.4
    moved = np.flatnonzero(found.moved)
    assert len(moved) > 30
    for i in moved:
        assert by_loops(found.clean[i], found.adversarial[i], norm) <= size
        assert linear.logits(found.adversarial[i][None]).argmax() != labels[i]
    again = sparse_search(linear, pixels[:80], labels[:80], Budget(size, norm), queries=400)
    assert np.array_equal(found.adversarial, again.adversarial)


def test_one_pixel_is_found_where_one_exists(linear, weights, pixels, labels):
    """Of a linear network the strongest single pixel is known: nearly all such images fall."""
    pull = (weights[:, 1] - weights[:, 0]) * np.where(labels, -1, 1)[:, None]
    flat = pixels.reshape(200, 16)
    margin = linear.logits(pixels)
    margin = np.abs(margin[:, 1] - margin[:, 0])
    best = np.maximum(pull * (255 - flat), -pull * flat).max(axis=1)
    can = best > margin * 1.01
    found = sparse_search(linear, pixels, labels, Budget(1, L0), queries=300)
    assert can.sum() > 30 and not found.fallen[best < margin * 0.99].any()
    assert found.fallen[can].mean() > 0.9


@pytest.mark.parametrize(
    ("size", "norm", "words"),
    [(2.5, L0, "whole number of pixels"), (0, PATCH, "whole number"), (float("nan"), L1, "whole")],
)
def test_budgets_that_there_are_not(size, norm, words):
    with pytest.raises(ValueError, match=words):
        Budget(size, norm)


def test_what_does_not_fit_is_refused(linear, pixels, labels):
    with pytest.raises(ValueError, match="5 x 5 does not fit"):
        sparse_search(linear, pixels[:2], labels[:2], Budget(5, PATCH))
    with pytest.raises(ValueError, match="the pictures have 16"):
        sparse_search(linear, pixels[:2], labels[:2], Budget(17, L0))
    with pytest.raises(ValueError, match="searches l1, l0, patch"):
        sparse_search(linear, pixels[:2], labels[:2], Budget(5, L2))
    with pytest.raises(ValueError, match="Gradients walk in|outside"):
        projected_gradient(linear, pixels[:2], labels[:2], Budget(5, L1))
    x = pixels[:2].astype(np.int16)
    with pytest.raises(ValueError, match="outside"):
        project(x, 255 - x, Budget(1, L0), GRID)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(
    ("norm", "size", "unit"), [("l0", 6, "pixels"), ("l1", 900, "LSB"), ("patch", 4, "pixels")]
)
def test_the_command_attacks_a_file_in_each_norm(tmp_path, digits, norm, size, unit):
    np.savez(tmp_path / "d.npz", x=digits[0], y=digits[1])
    out = tmp_path / "r.json"
    model = DIGITS / "model.tflite"
    words = ["attack", model, tmp_path / "d.npz", "--out", out, "--norm", norm]
    words += ["--epsilon", size, "--images", 12, "--trusted"]
    assert cli.main([str(word) for word in words]) == 0
    report = json.loads(out.read_text())
    assert report["norm"] == norm and report["epsilon"] == size
    assert (report["epsilon_unit"] is None) == (unit == "pixels")
    assert report["worst_case_accuracy"] < report["clean_accuracy"]
    curve = [point["accuracy"] for point in report["curve"]]
    assert curve == sorted(curve, reverse=True) and curve[0] == report["clean_accuracy"]
    at = next(p["accuracy"] for p in report["curve"] if p["epsilon"] == size)
    assert at <= report["worst_case_accuracy"]
    assert f"epsilon ({unit})" in out.with_suffix(".md").read_text()
    assert cli.main([*map(str, words), "--surrogate", str(DIGITS / "model.keras")]) == 2
