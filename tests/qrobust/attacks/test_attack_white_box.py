"""White-box attacks on linear models, where the optimum is known."""

import numpy as np
import pytest
from attack_models import linear_model

from qrobust.attacks import (
    L2,
    Budget,
    KerasTarget,
    basic_iterative,
    carlini_wagner,
    deepfool,
    distances,
    fast_gradient,
    momentum_iterative,
    projected_gradient,
    spsa,
)

BUDGET = Budget(8)


def worst_linf(weights, x, y, epsilon):
    """bool[n]: some integer input of the L-inf ball fools the model; exact in integers."""
    w = (weights * 1024).astype(int)
    flat = x.reshape(len(x), -1)
    fooled = []
    for image, label in zip(flat, y, strict=True):
        toward = w[:, 1 - label] - w[:, label]
        up, down = np.minimum(epsilon, 255 - image), np.minimum(epsilon, image)
        gap = int(image @ toward + np.where(toward > 0, toward * up, -toward * down).sum())
        fooled.append(gap > 0 or (gap == 0 and label == 1))  # ties go to class 0
    return np.array(fooled)


@pytest.mark.parametrize(
    "attack", [fast_gradient, basic_iterative, momentum_iterative, projected_gradient]
)
def test_linear_models_fall_exactly_where_they_can(attack, weights, linear, pixels, labels):
    found = attack(linear, pixels, labels, BUDGET)
    expected = worst_linf(weights, pixels, labels, 8)
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(found.fallen, expected)
    assert found.accuracy == 1 - expected.mean()


def test_spsa_needs_no_gradients_to_come_near(weights, linear, pixels, labels):
    found = spsa(linear, pixels[:60], labels[:60], BUDGET, samples=64)
    expected = worst_linf(weights, pixels[:60], labels[:60], 8)
    assert not (found.fallen & ~expected).any()
    assert found.fallen.sum() >= 0.9 * expected.sum()


def boundary(weights, x):
    """L2 distance in LSB to the boundary of a two-class linear model."""
    difference = weights[:, 0] - weights[:, 1]
    return np.abs(x.reshape(len(x), -1) @ difference) / np.linalg.norm(difference)


@pytest.fixture(scope="module")
def inner():
    """Images far enough from 0 and 255 that no clipping hinders."""
    return np.random.default_rng(5).integers(90, 166, (60, 4, 4, 1))


@pytest.fixture(scope="module")
def inner_labels(linear, inner):
    return linear.logits(inner).argmax(axis=1)


def test_l2_falls_inside_the_boundary_distance_only(weights, linear, inner, inner_labels):
    found = projected_gradient(linear, inner, inner_labels, Budget(40, L2), steps=10)
    distance = boundary(weights, inner)
    assert not found.fallen[distance > 40].any()
    # Rounding 16 coordinates costs at most sqrt(16) / 2 = 2 LSB.
    assert found.fallen[distance < 38].all() and (distance < 38).any()


@pytest.mark.parametrize("attack", [carlini_wagner, deepfool])
def test_smallest_perturbations_end_at_the_boundary(attack, weights, linear, inner, inner_labels):
    found = attack(linear, inner, inner_labels)
    size = distances(found.clean, found.adversarial)["l2"]
    distance = boundary(weights, inner)
    assert found.fallen.all()
    assert (size >= distance - 1e-4).all()
    # 2 LSB of rounding; CW also leaves a few percent where Adam stopped.
    assert (size <= 1.1 * distance + 2.5).all()


def test_carlini_wagner_takes_integer_labels_of_a_batch(digits, digits_model):
    target = KerasTarget(digits_model)
    x, y = digits[0][:8], digits[1][:8].astype(np.int32)
    found = carlini_wagner(target, x, y, searches=3, steps=30)
    assert found.fallen.all()
    assert (target.logits(found.adversarial).argmax(axis=1) != y).all()


def test_gradient_attacks_bring_down_a_quantized_network(digits, digits_model):
    target = KerasTarget(digits_model)
    clean = (target.logits(digits[0]).argmax(axis=1) == digits[1]).mean()
    found = projected_gradient(target, *digits, Budget(48), steps=10, restarts=2)
    assert found.accuracy < clean - 0.4
    again = projected_gradient(target, *digits, Budget(48), steps=10, restarts=2)
    np.testing.assert_array_equal(found.adversarial, again.adversarial)


def test_images_the_model_errs_on_stay_as_they_are(linear, pixels, labels):
    wrong = 1 - labels[:10]
    found = projected_gradient(linear, pixels[:10], wrong, BUDGET)
    assert found.fallen.all() and not found.moved.any()
    np.testing.assert_array_equal(found.adversarial, pixels[:10])
    assert (found.queries == 1).all()


def test_a_final_softmax_is_left_out(weights, pixels, labels):
    import keras

    model = linear_model(weights)
    soft = keras.Sequential([model, keras.layers.Softmax()])
    target = KerasTarget(soft)
    np.testing.assert_allclose(
        target.logits(pixels[:5]), model.predict(pixels[:5], verbose=0), rtol=1e-5
    )
