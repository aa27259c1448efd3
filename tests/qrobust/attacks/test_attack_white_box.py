"""White-box attacks on linear models, where the optimum is known."""

import numpy as np
import pytest
from attack_models import linear_model

from qrobust.attacks import (
    L2,
    LINF,
    Budget,
    KerasTarget,
    basic_iterative,
    carlini_wagner,
    deepfool,
    distances,
    fast_gradient,
    hop_skip_jump,
    momentum_iterative,
    projected_gradient,
    random_search,
    spsa,
    square,
)
from qrobust.attacks.ground.target import margins, runners_up

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


@pytest.mark.ordinary(2)
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


def test_carlini_wagner_returns_no_margin_under_its_confidence(
    linear, weights, inner, inner_labels
):
    kappa = 0.25
    found = carlini_wagner(linear, inner[:20], inner_labels[:20], confidence=kappa)
    assert found.fallen.all()
    assert (margins(linear.logits(found.adversarial), inner_labels[:20]) <= -kappa).all()
    size = distances(found.clean, found.adversarial)["l2"]
    further = kappa / np.linalg.norm(weights[:, 0] - weights[:, 1])
    nearest = boundary(weights, inner[:20]) + further
    assert (size >= nearest - 1e-4).all() and (size <= 1.1 * nearest + 2.5).all()


def test_deepfool_crosses_the_boundary_it_stands_on():
    """Classes 0 and 1 tie; the only other boundary is far away."""
    weights = np.zeros((16, 3))
    weights[:8, 0] = weights[8:, 1] = 1 / 64
    target = KerasTarget(linear_model(weights, np.array([0, 0, -8])))
    x = np.full((1, 4, 4, 1), 128)
    assert np.ptp(target.logits(x)[0, :2]) == 0
    found = deepfool(target, x, np.array([0]))
    assert found.fallen.all()
    assert target.logits(found.adversarial).argmax() == 1
    assert distances(found.clean, found.adversarial)["l2"] <= 4  # every value by 1 at most


def test_runners_up_leave_the_true_class_out_of_ties():
    found = runners_up(np.array([[5, 5, 5, 7], [0, 9, 9, 9]], np.float32), np.array([1, 3]))
    np.testing.assert_array_equal(found, [[3, 0, 2], [1, 2, 0]])


@pytest.mark.parametrize("attack", [fast_gradient, basic_iterative, momentum_iterative])
def test_l2_steps_follow_gradients_of_any_size(attack, weights, inner, inner_labels):
    """Gradients of norm 1e-10: CleverHans's own L2 step would be about 1e-4 LSB."""
    tiny = weights * np.float32(2.0**-26)
    target = KerasTarget(linear_model(tiny))
    _, gradients = target.gradients(inner, inner_labels, "cross_entropy")
    assert np.linalg.norm(gradients.reshape(60, -1), axis=1).max() < 1e-6
    found = attack(target, inner, inner_labels, Budget(40, L2))
    distance = boundary(weights, inner)
    assert not found.fallen[distance > 40].any()
    assert found.fallen[distance < 38].all() and (distance < 38).any()


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("norm", [LINF, L2])
def test_pgd_finds_what_cleverhans_s_finds(norm, digits, digits_model):
    """On a quantized network, with the same steps, starts and loss."""
    import tensorflow as tf
    from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent

    target, (x, y) = KerasTarget(digits_model), digits
    budget = Budget(28) if norm == LINF else Budget(140, L2)
    tf.random.set_seed(0)
    theirs = projected_gradient_descent(
        target.model_fn,
        tf.constant(x, tf.float32),
        budget.epsilon,
        2.5 * budget.epsilon / 20,
        20,
        np.inf if norm == LINF else 2,
        y=tf.constant(y.astype(np.int64)),
        clip_min=0.0,
        clip_max=255.0,
        rand_init=True,
        sanity_checks=False,
    )
    # Unrounded: more than theirs could do on a device.
    left = int((target.logits(theirs.numpy()).argmax(axis=1) == y).sum())
    assert 0 < left < len(y)
    ours = projected_gradient(target, x, y, budget, steps=20, restarts=2, losses=("cross_entropy",))
    assert (~ours.fallen).sum() <= left


@pytest.mark.parametrize(
    ("attack", "options"),
    [
        (projected_gradient, {"steps": 3, "restarts": 2}),
        (random_search, {"queries": 6}),
        (square, {"queries": 6}),
        (spsa, {"steps": 2, "samples": 4}),
    ],
)
@pytest.mark.parametrize("norm", [LINF, L2])
def test_other_images_of_the_batch_change_nothing(attack, options, norm, linear, pixels, labels):
    budget = Budget(3, norm)
    together = attack(linear, pixels[:9], labels[:9], budget, **options)
    alone = attack(linear, pixels[:4], labels[:4], budget, **options)
    np.testing.assert_array_equal(together.adversarial[:4], alone.adversarial)
    np.testing.assert_array_equal(together.strongest[:4], alone.strongest)


def test_targeted_gradients_are_differences_of_weights():
    weights = np.random.default_rng(6).integers(-9, 10, (16, 5)) / 1024
    target = KerasTarget(linear_model(weights))
    x, y, other = np.full((3, 4, 4, 1), 9), np.array([0, 1, 4]), np.array([3, 2, 0])
    _, gradients = target.gradients(x, y, "targeted", other)
    np.testing.assert_allclose(
        gradients.reshape(3, 16), (weights[:, other] - weights[:, y]).T, rtol=1e-6
    )


def test_hop_skip_jump_keeps_what_is_small_in_its_norm(linear, inner, inner_labels):
    """For a linear model the two smallest perturbations differ."""
    x, y = inner[:10], inner_labels[:10]
    sizes = {
        norm: distances(x, hop_skip_jump(linear, x, y, None, norm=norm, iterations=5).adversarial)
        for norm in (LINF, L2)
    }
    assert sizes[LINF][LINF].mean() < sizes[L2][LINF].mean()
    assert sizes[L2][L2].mean() < sizes[LINF][L2].mean()
