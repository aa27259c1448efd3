"""Boundary samples: DeepFool's step by hand, who is moved and who is not, fit, twins, export."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from noisy_models import examples, noisy_model

import qrobust
from qrobust import layers
from qrobust.layers.nearest_boundary import nearest_boundary
from tflite_export import check_parity, export

L = keras.layers


def linear_logits(x, kernel):
    return x @ tf.constant(kernel, tf.float32)


def test_on_a_linear_model_one_step_is_the_projection():
    """delta = (z_a - z_c) / ||w_c - w_a||^2 (w_c - w_a) for the runner-up c."""
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(5, 3)), rng.uniform(100, 150, (7, 5))
    found = nearest_boundary(
        lambda z: linear_logits(z, kernel),
        tf.constant(x, tf.float32),
        steps=1,
        overshoot=0.0,
        low=0.0,
        high=255.0,
    )
    for point, delta in zip(x, np.asarray(found), strict=True):
        z = point @ kernel
        a, c = np.argsort(-z)[:2]
        w = kernel[:, c] - kernel[:, a]
        np.testing.assert_allclose(delta, (z[a] - z[c]) / (w @ w) * w, rtol=1e-3, atol=1e-3)


def test_the_overshoot_takes_it_across_and_the_clip_holds():
    rng = np.random.default_rng(1)
    kernel, x = rng.normal(size=(5, 3)), rng.uniform(0, 255, (40, 5))
    options = {"steps": 4, "overshoot": 0.05, "low": 0.0, "high": 255.0}
    found = x + np.asarray(
        nearest_boundary(lambda z: linear_logits(z, kernel), tf.constant(x, tf.float32), **options)
    )
    assert found.min() >= -1e-4 and found.max() <= 255 + 1e-4
    free = (found > 1).all(1) & (found < 254).all(1)
    changed = (found @ kernel).argmax(1) != (x @ kernel).argmax(1)
    assert changed[free].all() and free.sum() > 5


def test_a_flat_model_moves_nothing():
    found = nearest_boundary(
        lambda z: tf.zeros((4, 3)) + 0 * tf.reduce_sum(z),
        tf.ones((4, 5)),
        steps=2,
        overshoot=0.1,
        low=0.0,
        high=255.0,
    )
    assert not np.asarray(found).any()


def moved_by(reach, share=1.0):
    x, _ = examples(200)
    layer = layers.BoundarySamples(noisy_model(sigma=0), reach, share=share, steps=4, seed=2)
    return x, np.asarray(layer.moved(tf.constant(x)))


def test_only_near_examples_move_to_grid_points_within_reach():
    x, near = moved_by(40)
    _, all_of_them = moved_by(1e6)
    moved = (near != x).any(1)
    assert 10 < moved.sum() < 190
    # Rounding moves by half a step in each of the five numbers at most.
    assert np.linalg.norm(near - x, axis=1).max() <= 40 + 0.5 * np.sqrt(5)
    far = np.linalg.norm(all_of_them - x, axis=1) > 40 + 0.5 * np.sqrt(5)
    assert not moved[far].any()
    assert np.array_equal(near, np.rint(near)) and near.min() >= 0 and near.max() <= 255


def test_moved_examples_lie_at_the_boundary():
    x, moved = moved_by(1e6)
    z = np.sort(np.asarray(noisy_model(sigma=0)(moved)), axis=1)
    before = np.sort(np.asarray(noisy_model(sigma=0)(x)), axis=1)
    inside = (moved > 1).all(1) & (moved < 254).all(1)
    gap, was = z[:, -1] - z[:, -2], before[:, -1] - before[:, -2]
    assert np.median(gap[inside] / was[inside]) < 0.1


def test_the_share_is_drawn():
    x, moved = moved_by(1e6, share=0.3)
    count = (moved != x).any(1).sum()
    assert abs(count - 60) < 4 * np.sqrt(200 * 0.3 * 0.7)


def test_in_inference_only_the_model_is_left(tmp_path):
    x, _ = examples(20)
    inside = noisy_model(L.Dense(6, activation="relu"), sigma=0)
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.BoundarySamples(inside, 30, seed=1)(inputs))
    assert np.array_equal(model(x), inside(x))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert np.array_equal(again(x), model(x))
    assert again.layers[-1].get_config()["reach"] == 30
    twin = qrobust.quantize(model, 4, 4, calibrate=x)
    assert isinstance(twin.layers[-1], layers.BoundarySamples)
    parity = check_parity(twin, export(twin), x.astype(int))
    assert all(not differ for differ in parity.differing.values())


def test_it_widens_the_margin_around_two_clusters():
    """Plain fit on two clusters whose boundary starts at one of them: it goes to the middle."""
    x = np.array([[100.0], [140.0]] * 64, "float32")
    y = np.array([0, 1] * 64)

    def boundary(wrap):
        keras.utils.set_random_seed(0)
        net = keras.Sequential(
            [keras.Input((1,)), layers.GridNoise(0), L.Rescaling(1 / 256), L.Dense(2)]
        )
        w = 1000.0  # so steep that the data alone teach nothing
        net.layers[-1].set_weights([np.array([[0.0, w]]), np.array([0.0, -w * 102 / 256])])
        inputs = keras.Input((1,))
        model = keras.Model(
            inputs, layers.BoundarySamples(net, 30, seed=0)(inputs) if wrap else net(inputs)
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(10.0), loss)
        model.fit(x, y, epochs=12, batch_size=64, verbose=0)
        line = np.arange(100, 141, dtype="float32")[:, None]
        return 100 + int(np.argmax(np.asarray(net(line)).argmax(1)))

    assert boundary(False) <= 104
    assert 110 <= boundary(True) <= 130


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reach": 0}, "reach=0"),
        ({"reach": 5, "share": 0}, "share=0"),
        ({"reach": 5, "steps": 0}, "steps=0"),
        ({"reach": 5, "steps": 2.5}, "steps=2.5"),
        ({"reach": 5, "overshoot": -1}, "overshoot=-1"),
        ({"reach": 5, "overshoot": float("inf")}, "overshoot=inf"),
    ],
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        layers.BoundarySamples(noisy_model(), **options)


def test_a_model_without_a_grid_is_refused():
    with pytest.raises(ValueError, match="GridNoise"):
        layers.BoundarySamples(keras.Sequential([keras.Input((5,)), L.Dense(3)]), 5)
