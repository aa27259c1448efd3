"""Kernels with a learned mean and spread: the law of the draws, gradients, fit, twins, export."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import qrobust
from qrobust import layers
from qrobust.ensembles import draw_members
from qrobust.layers.weight_distribution import kernel_of
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights
from tflite_export import export, reference

L = keras.layers
MEAN = np.array([[1.0, -2.0], [0.0, 2.0], [-1.0, 1.0]], "float32")
RMS = np.sqrt(np.mean(MEAN**2))


def dense(**options):
    layer = layers.WeightDistribution(L.Dense(2, use_bias=False), seed=1, **options)
    layer.build((None, 3))
    layer.layer.kernel.assign(MEAN)
    return layer


@pytest.fixture(scope="module")
def digits():
    return qrobust.datasets.digits()


def network(seed=0, spread=0.2, entropy=0.0):
    keras.utils.set_random_seed(seed)

    def random(layer):
        return layers.WeightDistribution(layer, spread, entropy=entropy, seed=seed)

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(32, seed=seed),
            L.Rescaling(2**-8),
            random(L.Conv2D(8, 3, strides=2, use_bias=False)),
            L.BatchNormalization(),
            L.ReLU(),
            random(L.DepthwiseConv2D(3, padding="same", activation="relu")),
            L.Flatten(),
            random(L.Dense(10)),
        ],
        name="net",
    )


def fitted(model, digits, epochs=2, rate=1e-2):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(digits.train.x, digits.train.y, epochs=epochs, batch_size=64, verbose=0)
    return model


@pytest.mark.thorough
def test_draws_have_the_law_that_the_docstring_states():
    layer = dense(spread=0.3)
    eye = np.eye(3, dtype="float32")
    drawn = np.stack([np.asarray(layer(eye, training=True)) for _ in range(800)])
    z = (drawn - MEAN) / (0.3 * RMS)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    apart = np.abs(np.corrcoef(z.reshape(800, -1).T) - np.eye(6)).max()
    assert apart < 5 / np.sqrt(800)  # every entry draws for itself


def test_inference_is_the_layer_inside():
    layer = dense(spread=0.3)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    assert np.array_equal(layer(x), layer.layer(x))
    assert np.array_equal(layer.layer.kernel, MEAN)  # a draw leaves no trace in the variable


def test_gradients_reach_mean_and_spread():
    """d/dw sum(y) = x; d/drho = x * z * rms * sigmoid(rho), z read off the draw."""
    layer = dense(spread=0.3)
    x = tf.constant([[1.0, 2.0, 4.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, training=True))
    by_mean, by_rho = tape.gradient(total, [layer.layer.kernel.value, layer.rho.value])
    assert np.array_equal(by_mean, np.repeat([[1.0], [2.0], [4.0]], 2, axis=1))
    again = dense(spread=0.3)
    drawn = np.asarray(again(np.eye(3, dtype="float32"), training=True))
    z = (drawn - MEAN) / (0.3 * RMS)
    share = 1 / (1 + np.exp(-np.asarray(layer.rho)))
    expected = np.array([[1.0], [2.0], [4.0]]) * z * RMS * share
    np.testing.assert_allclose(by_rho, expected, rtol=1e-4)


def test_the_entropy_term_is_minus_the_mean_log_spread():
    layer = dense(spread=0.3, entropy=2.0)
    layer(np.ones((1, 3), "float32"), training=True)
    (term,) = layer.losses
    assert float(term) == pytest.approx(-2 * np.log(0.3), rel=1e-5)


@pytest.mark.parametrize("spread", [1e-50, 1e-8, 0.1, 20.0, 90.0, 1e4])
def test_any_spread_is_what_every_entry_starts_with(spread):
    """Where exp(spread) leaves float32, too."""
    start = keras.ops.softplus(dense(spread=spread).rho)
    np.testing.assert_allclose(start, spread, rtol=1e-5, atol=1e-38)


def test_moving_statistics_inside_follow_the_drawn_kernel():
    inside = layers.Conv2DBatchNorm(
        2, 1, kernel_quantizer=PowerOfTwoWeights(4), bias_quantizer=FixedPoint(), momentum=0.0
    )
    layer = layers.WeightDistribution(inside, 0.5, seed=0)
    x = np.random.default_rng(0).normal(size=(8, 3, 3, 2)).astype("float32")
    layer(x)
    before = keras.ops.convert_to_numpy(inside.moving_mean)
    layer(x, training=True)
    first = keras.ops.convert_to_numpy(inside.moving_mean)
    layer(x, training=True)
    assert not np.array_equal(before, first)
    assert not np.array_equal(first, inside.moving_mean)  # another draw, other means


@pytest.mark.thorough
@pytest.mark.parametrize("entropy", [0.0, 0.5])
def test_plain_fit_learns_spreads_and_saves(digits, tmp_path, entropy):
    model = fitted(network(entropy=entropy), digits)
    spreads = [
        np.asarray(keras.ops.softplus(x.rho))
        for x in model.layers
        if isinstance(x, layers.WeightDistribution)
    ]
    assert all(np.ptp(s) > 0 for s in spreads)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    x = digits.test.x[:20]
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    rhos = [np.asarray(x.rho) for x in again.layers if isinstance(x, layers.WeightDistribution)]
    for s, rho in zip(spreads, rhos, strict=True):
        assert np.array_equal(s, keras.ops.softplus(rho))


@pytest.mark.thorough
def test_entropy_keeps_spreads_from_vanishing(digits):
    def mean_spread(entropy):
        model = fitted(network(entropy=entropy), digits, epochs=3)
        inside = [x for x in model.layers if isinstance(x, layers.WeightDistribution)]
        return np.mean([np.log(keras.ops.softplus(x.rho)).mean() for x in inside])

    assert mean_spread(1.0) > mean_spread(0.0)


@pytest.mark.thorough
def test_the_quantized_twin_keeps_the_learned_spreads(digits):
    model = fitted(network(), digits)
    twin = qrobust.quantize(model, 4, 4, calibrate=digits.train.x[:200])
    pairs = [
        [x for x in m.layers if isinstance(x, layers.WeightDistribution)] for m in (model, twin)
    ]
    assert len(pairs[0]) == len(pairs[1]) == 3
    for ours, theirs in zip(*pairs, strict=True):
        assert np.array_equal(ours.rho, theirs.rho)


@pytest.mark.thorough
def test_draws_and_the_mean_export_exactly(digits):
    model = fitted(network(), digits)
    twin = fitted(qrobust.quantize(model, 4, 4, calibrate=digits.train.x[:200]), digits, epochs=1)
    pixels = digits.test.x[:64]
    drawn = draw_members(twin, 2, seed=3)
    rows = []
    for member in (twin, *drawn):
        file = export(member)
        (row,) = reference.run(file.lowered.graph, np.asarray(pixels, np.int64) - 128)
        grid = file.lowered.output_grids[0]
        expected = member.predict(pixels, verbose=0) / grid.step + grid.zero_point
        assert np.array_equal(row, expected)
        rows.append(row)
    assert not np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[1], rows[2])


def test_a_member_is_the_mean_plus_its_own_draw(digits):
    twin = qrobust.quantize(network(spread=0.1), 4, 4)
    many, one = draw_members(twin, 3, seed=7), draw_members(twin, 1, seed=7)
    for a, b in zip(many[0].get_weights(), one[0].get_weights(), strict=True):
        assert np.array_equal(a, b)  # whatever count is
    layer, member = (
        next(x for x in m.layers if isinstance(x, layers.WeightDistribution))
        for m in (twin, many[2])
    )
    mean = np.asarray(kernel_of(layer.layer))
    z = np.random.Generator(np.random.Philox(key=[7, 2])).standard_normal(mean.shape)
    expected = mean + np.sqrt(np.mean(mean**2)) * 0.1 * z
    np.testing.assert_allclose(kernel_of(member.layer), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.WeightDistribution(L.ReLU()), "takes a Dense"),
        (lambda: layers.WeightDistribution(L.Dense(2), 0.0), "spread=0.0"),
        (lambda: layers.WeightDistribution(L.Dense(2), entropy=-1.0), "entropy=-1.0"),
        (lambda: draw_members(keras.Sequential([keras.Input((2,)), L.Dense(2)]), 2), "no Weight"),
        (lambda: draw_members(network(), 0), "count=0"),
        (lambda: draw_members(network(), 1, seed=-1), "seed=-1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
