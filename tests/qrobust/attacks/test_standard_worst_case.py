"""The fixed suite: exact on linear models, judged by the file alone, each image for itself."""

import numpy as np
import pytest
from attack_models import linear_model

from qrobust.attacks import (
    L2,
    Budget,
    KerasTarget,
    SmoothedTarget,
    auto_projected_gradient,
    distances,
    standard_worst_case,
)
from qrobust.attacks.evaluation import standard_worst_case as module
from qrobust.attacks.ground.target import TARGETED_DLR, loss_values
from qrobust.attacks.white_box.auto_projected_gradient import checkpoints

BUDGET = Budget(8)


@pytest.fixture(autouse=True)
def few_queries(monkeypatch):
    monkeypatch.setattr(module, "QUERIES", 60)


def worst_linf(weights, x, y, epsilon):
    """bool[n]: some integer input of the ball fools a two-class linear model; exact."""
    w = (weights * 1024).astype(int)
    toward = np.where(y[:, None] == 0, w[:, 1] - w[:, 0], w[:, 0] - w[:, 1])
    flat = x.reshape(len(x), -1)
    up, down = np.minimum(epsilon, 255 - flat), np.minimum(epsilon, flat)
    gap = (flat * toward).sum(1) + np.where(toward > 0, toward * up, -toward * down).sum(1)
    return (gap > 0) | ((gap == 0) & (y == 1))


def test_linear_models_fall_exactly_where_they_can(weights, linear, pixels, labels):
    expected = worst_linf(weights, pixels, labels, 8)
    assert 0.05 < expected.mean() < 0.95
    found = auto_projected_gradient(linear, pixels, labels, BUDGET)
    np.testing.assert_array_equal(found.fallen, expected)
    case = standard_worst_case(linear, pixels, labels, BUDGET)
    np.testing.assert_array_equal(case.left, ~expected)
    assert [a.name for a in case.attacks] == ["APGD-CE", "APGD-T", "Square-60"]


def test_one_denominator(linear, pixels, labels):
    """Images that are wrong from the start are lost, and all images are counted."""
    wrong = labels.copy()
    wrong[::4] = 1 - wrong[::4]
    case = standard_worst_case(linear, pixels, wrong, Budget(1))
    assert case.right.sum() == 150 and len(case.left) == 200
    assert not case.left[::4].any()
    assert case.accuracy == case.left.sum() / 200
    said = case.to_json()
    assert (said["images"], said["right"], said["left"]) == (200, 150, int(case.left.sum()))


def test_l2_stays_in_the_ball_and_finds_the_boundary(weights, linear):
    x = np.random.default_rng(5).integers(90, 166, (60, 4, 4, 1))
    y = linear.logits(x).argmax(axis=1)
    difference = weights[:, 0] - weights[:, 1]
    distance = np.abs(x.reshape(60, -1) @ difference) / np.linalg.norm(difference)
    found = auto_projected_gradient(linear, x, y, Budget(40, L2), steps=30)
    assert not found.fallen[distance > 40].any()
    assert found.fallen[distance < 37].all()  # rounding to integers costs a few LSB
    assert distances(found.clean, found.adversarial)["l2"].max() <= 40


class Judge:
    """A file that is not its Keras model: it never errs, or gives no gradients."""

    def __init__(self, target, *, never=False):
        self.name, self.grid, self.shape = "judge", target.grid, target.shape
        self.classes, self.queries, self._target, self._never = target.classes, 0, target, never
        self._first = None

    def logits(self, x):
        logits = self._target.logits(x)
        if not self._never:
            return logits
        if self._first is None:
            self._first = logits
        return self._first[: len(x)] if len(x) == len(self._first) else logits * 0 + [[9.0, 0.0]]


def test_the_file_alone_decides(linear, pixels, labels):
    zeros = np.flatnonzero(labels == 0)[:40]
    x, y = pixels[zeros], labels[zeros]
    assert standard_worst_case(linear, x, y, BUDGET).accuracy < 1
    case = standard_worst_case(Judge(linear, never=True), x, y, BUDGET, surrogate=linear)
    assert case.accuracy == 1


def test_without_gradients_square_stands_alone_and_says_so(linear, pixels, labels):
    case = standard_worst_case(Judge(linear), pixels[:20], labels[:20], BUDGET)
    assert [a.name for a in case.attacks] == ["Square-60"] and not case.gradients
    full = standard_worst_case(Judge(linear), pixels[:20], labels[:20], BUDGET, surrogate=linear)
    assert full.gradients and full.accuracy <= case.accuracy


@pytest.mark.thorough
def test_an_image_does_not_depend_on_those_behind_it(digits_model, digits_file, digits):
    x, y = digits
    source = KerasTarget(digits_model)
    many = standard_worst_case(digits_file, x[:12], y[:12], Budget(40), surrogate=source)
    few = standard_worst_case(digits_file, x[:5], y[:5], Budget(40), surrogate=source)
    np.testing.assert_array_equal(many.left[:5], few.left)
    assert many.left.any() and not many.left.all()


def test_worse_than_the_masked_gradients_of_a_saturated_model(weights, pixels, labels):
    """Logits so large that softmax has no gradient: the targeted margin still sees it."""
    steep = KerasTarget(linear_model(weights * 2**14), name="steep")
    alone = auto_projected_gradient(steep, pixels, labels, BUDGET)
    case = standard_worst_case(steep, pixels, labels, BUDGET)
    expected = worst_linf(weights, pixels, labels, 8)
    assert alone.fallen.sum() < expected.sum()
    np.testing.assert_array_equal(case.left, ~expected)


def test_checkpoints_of_a_hundred_steps():
    """Croce and Hein: p = 0, .22, .41, .57, .70, .80, .87, .93, .99."""
    assert [at for at, _ in checkpoints(100)] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert sum(since for _, since in checkpoints(100)) == 99


def test_the_targeted_dlr_loss(digits_model, digits):
    """Its gradient is that of the formula, by finite differences on the logits."""
    logits = np.array([[3.0, 1.0, 0.5, -2.0, 2.0]], np.float32)
    value = loss_values(logits, np.array([0]), TARGETED_DLR, np.array([1]))
    assert value == pytest.approx([(1 - 3) / (3 - (1 + 0.5) / 2)])
    target = KerasTarget(digits_model)
    x, y = digits[0][:6], np.asarray(digits[1][:6], np.int64)
    other = (y + 1) % 10
    found, gradients = target.gradients(x, y, TARGETED_DLR, other)
    assert np.isfinite(gradients).all() and np.abs(gradients).max() > 0
    moved = target.logits(x + 2 * np.sign(gradients))
    before, after = (loss_values(z, y, TARGETED_DLR, other) for z in (found, moved))
    assert (after >= before).mean() > 0.5


def test_a_random_model_is_refused(linear, pixels, labels):
    with pytest.raises(ValueError, match="is random"):
        standard_worst_case(SmoothedTarget(linear, sigma=9), pixels, labels, BUDGET)


def test_what_cannot_be_is_refused(linear, pixels, labels, digits_model):
    with pytest.raises(ValueError, match="needs 4 classes"):
        auto_projected_gradient(linear, pixels, labels, BUDGET, losses=(TARGETED_DLR,))
    with pytest.raises(ValueError, match="no surrogate for it"):
        standard_worst_case(linear, pixels, labels, BUDGET, surrogate=KerasTarget(digits_model))
