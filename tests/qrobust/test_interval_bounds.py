"""The loss of interval bounds against its definition, by enumeration and in NumPy."""

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf
from exact_models import Q, randomized, wide
from noisy_models import examples, noisy_model
from scipy.special import log_softmax

from qrobust import layers, quantize
from qrobust.verify.intervals import Interval, accumulator_interval
from qrobust.verify.intervals import propagate as propagate_integers
from qrobust.verify.last_layer import differences, last_connected
from tflite_export import check_parity, export

L = keras.layers
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def small():
    return quantize(noisy_model(L.Dense(6, activation="relu"), sigma=0), 4, 4)


def total_loss(layer, x, y):
    return float(CROSSENTROPY(y, layer(x, training=True))) + float(sum(layer.losses))


def by_corners(kernel, bias, x, epsilon):
    """A linear model's least lead of every label k over class c: the box's corners decide."""
    corners = np.array(list(product((-1, 1), repeat=x.shape[1])))
    points = np.clip(x[:, None] + epsilon * corners, 0, 255) / 256
    logits = points @ kernel + bias
    return (logits[:, :, None, :] - logits[:, :, :, None]).max(axis=1)  # [n, k, c]


@pytest.mark.parametrize(("epsilon", "kappa"), [(0.0, 0.5), (7.0, 0.3), (60.0, 0.0), (60.0, 1.0)])
def test_the_whole_loss_is_the_papers(epsilon, kappa):
    """Of a linear model, whose bounds are exact: the worst case is that of the corners."""
    x, y = examples(12)
    model = noisy_model(sigma=0)
    kernel, bias = (np.asarray(w, np.float64) for w in model.layers[-1].get_weights())
    layer = layers.IntervalBounds(model, epsilon, kappa=kappa)
    plain = -log_softmax(x / 256 @ kernel + bias, axis=-1)[np.arange(12), y]
    worst = by_corners(kernel, bias, x, epsilon)[np.arange(12), y]
    expected = kappa * plain + (1 - kappa) * np.log(np.exp(worst).sum(-1))
    np.testing.assert_allclose(total_loss(layer, x, y), expected.mean(), rtol=1e-4)


@pytest.mark.thorough
def test_class_and_sample_weights_count():
    x, y = examples(32)
    weights = np.random.default_rng(1).uniform(0, 2, 32)
    inputs = keras.Input((5,))
    layer = layers.IntervalBounds(small(), 9.0, kappa=0.4)
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(0.0), CROSSENTROPY)
    logged = model.fit(x, y, sample_weight=weights, batch_size=32, verbose=0).history["loss"][0]
    each = [total_loss(layer, x[i : i + 1], y[i : i + 1]) for i in range(32)]
    np.testing.assert_allclose(logged, np.mean(weights * each), rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_differences_are_those_of_the_proof(seed):
    """Up to the bias, which export rounds down by less than one step of the accumulators."""
    from qkeras import QActivation, QDense

    from qrobust.quantizers import QuantizedRelu

    model = keras.Sequential(
        [
            keras.Input((5,)), layers.GridNoise(0), L.Rescaling(1 / 256), QDense(7, **Q),
            QActivation(QuantizedRelu(4, 2)), QDense(3, **Q), wide(4),
        ]
    )  # fmt: skip
    randomized(model, seed)
    graph = export(model).graph
    last = last_connected(graph)
    x, _ = examples(20, seed)
    layer = layers.IntervalBounds(model, 12)
    box = layer.box(x)
    low, high = (np.asarray(end).astype(int) - 128 for end in (box.low, box.high))
    source = propagate_integers(graph, Interval(low, high))[last.source]
    excess = np.asarray(layer.excess(box), np.float64)
    step = 2.0 ** (last.source.grid.exponent + int(last.weight_exponents[0]))
    # The coarsest step of the classes' own accumulators; tie-free weights hold four in one.
    coarsest = 4 * step * 2.0 ** int((last.shift - graph.operators[-1].shift).max())
    for k in range(3):
        least = accumulator_interval(differences(last, k), source).low * step
        gap = -least - excess[:, k]
        np.testing.assert_array_equal(gap, np.broadcast_to(gap[:1], gap.shape))  # biases only
        assert np.abs(gap).max() < coarsest
        assert np.ptp(excess[:, k], axis=0).max() > coarsest


def test_outputs_mean_bounds_of_logits_where_the_last_layer_is_not_dense():
    inputs = keras.Input((5,))
    hidden = L.Dense(4, name="d")(L.Rescaling(1 / 256)(layers.GridNoise(0)(inputs)))
    model = keras.Model(inputs, L.ReLU()(hidden))
    layer = layers.IntervalBounds(model, 5)
    x, _ = examples(8)
    excess = np.asarray(layer.excess(layer.box(x)))
    rng = np.random.default_rng(0)
    for _ in range(50):
        point = np.clip(x + rng.uniform(-5, 5, x.shape), 0, 255).astype("float32")
        logits = np.asarray(model(point))
        assert (logits[:, None, :] - logits[:, :, None] <= excess + 1e-4).all()
    assert (excess[:, np.arange(4), np.arange(4)] == 0).all()


def test_every_weight_gets_a_gradient_through_the_quantizers():
    x, y = examples(64)
    layer = layers.IntervalBounds(small(), 4.0, kappa=0.0)
    with tf.GradientTape() as tape:
        loss = CROSSENTROPY(y, layer(x, training=True)) + sum(layer.losses)
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert np.abs(gradient).max() > 0


def test_the_gradient_is_that_of_the_loss():
    """Against finite differences of the definition, of a linear model's kernel and bias."""
    x, y = examples(12)
    model = noisy_model(sigma=0)
    dense = model.layers[-1]
    dense.bias.assign([0.3, -0.2, 0.1, 0.0])
    layer = layers.IntervalBounds(model, 20, kappa=0.2)
    with tf.GradientTape() as tape:
        loss = CROSSENTROPY(y, layer(x, training=True)) + sum(layer.losses)
    found = tape.gradient(loss, [dense.kernel.value, dense.bias.value])
    weights = [np.asarray(w, np.float64) for w in dense.get_weights()]

    def value(kernel, bias):
        plain = -log_softmax(x / 256 @ kernel + bias, axis=-1)[np.arange(12), y]
        worst = by_corners(kernel, bias, x, 20)[np.arange(12), y]
        return (0.2 * plain + 0.8 * np.log(np.exp(worst).sum(-1))).mean()

    for which, gradient in enumerate(np.asarray(g) for g in found):
        for index in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [w.copy() for w in weights]
                moved[which][index] += step
                ends.append(value(*moved))
            expected = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(gradient[index], expected, rtol=2e-3, atol=2e-4)


@pytest.mark.thorough
def test_it_saves_quantizes_and_vanishes(tmp_path):
    inner = small()
    inputs = keras.Input((5,))
    layer = layers.IntervalBounds(inner, 6.0, kappa=0.25)
    model = keras.Model(inputs, layer(inputs))
    layer.epsilon, layer.kappa = 3.0, 0.75
    model.compile("adam", CROSSENTROPY)
    x, y = examples(64)
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    again = loaded.get_layer(layer.name)
    assert (again.epsilon, again.kappa, again.initial_epsilon) == (3.0, 0.75, 6.0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), inner.predict(x, verbose=0))
    assert check_parity(loaded, export(loaded), x).is_exact
    assert quantize(noisy_wrapped(), 4, 4).layers[-1].epsilon == 2.0


def noisy_wrapped():
    inputs = keras.Input((5,))
    return keras.Model(inputs, layers.IntervalBounds(noisy_model(), 2.0)(inputs))


@pytest.mark.parametrize(
    "options", [{"epsilon": -1}, {"epsilon": 1, "kappa": 1.5}, {"epsilon": float("inf")}]
)
def test_bad_arguments_are_echoed(options):
    with pytest.raises(ValueError, match="Received"):
        layers.IntervalBounds(noisy_model(), **options)
    layer = layers.IntervalBounds(noisy_model(), 1.0)
    for name, value in options.items():
        if value != 1:
            with pytest.raises(ValueError, match="Received"):
                setattr(layer, name, value)


def test_the_noise_layer_that_says_the_grid_is_needed():
    with pytest.raises(ValueError, match="no GridNoise"):
        layers.IntervalBounds(keras.Sequential([keras.Input((5,)), L.Dense(3)]), 1.0)
