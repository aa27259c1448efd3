"""Stochastic ternary weights: exact probabilities in training, ``MeanTernary`` everywhere else."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf

import qrobust
from qrobust import layers
from qrobust.quantizers import FixedPoint, MeanTernary, QuantizedRelu, StochasticMeanTernary
from tflite_export import check_parity, export

L = keras.layers
KERNEL = np.random.default_rng(0).normal(0, 1, (6, 5)).astype("float32") * [0.1, 1, 1, 2, 10]
KERNEL = KERNEL.astype("float32")


def array(x):
    return keras.ops.convert_to_numpy(x)


def test_each_neighbour_has_its_probability():
    quantizer, draws = StochasticMeanTernary(seed=1), 4000
    steps = array(quantizer.steps(KERNEL))
    # Copies of a kernel have its mean magnitude, and so its steps.
    quantized = array(quantizer(np.tile(KERNEL, (draws, 1)), training=True))
    levels = quantized.reshape(draws, *KERNEL.shape) / steps
    u = np.clip(KERNEL / steps, -1, 1)
    lower = np.floor(u)
    assert np.isin(levels - lower, (0, 1)).all()
    upper = u - lower
    # Five standard deviations of a share of 4000 draws.
    bound = 5 * np.sqrt(upper * (1 - upper) / draws)
    assert (np.abs((levels > lower).mean(0) - upper) <= bound).all()
    # Outermost weights are certain.
    assert (levels[:, np.abs(u) == 1] == u[np.abs(u) == 1]).all()


def test_it_is_ternary_outside_training():
    quantizer = StochasticMeanTernary(seed=1)
    np.testing.assert_array_equal(quantizer(KERNEL), MeanTernary()(KERNEL))
    np.testing.assert_array_equal(quantizer(KERNEL, training=False), MeanTernary()(KERNEL))


def test_the_seed_decides():
    one, same, other = (StochasticMeanTernary(seed=s) for s in (1, 1, 2))
    first = array(one(KERNEL, training=True))
    np.testing.assert_array_equal(first, same(KERNEL, training=True))
    assert not np.array_equal(first, one(KERNEL, training=True))
    assert not np.array_equal(first, other(KERNEL, training=True))


def test_the_gradient_passes_straight_through():
    x = tf.constant(KERNEL)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = StochasticMeanTernary(seed=0)(x, training=True)
    assert np.all(array(tape.gradient(y, x)) == 1)


def made(kind):
    quantizer = StochasticMeanTernary((-2, -1) if "depthwise" in kind else (-1,), seed=5)
    bias = {"bias_quantizer": FixedPoint(), "activation": QuantizedRelu(4, 1)}
    return {
        "dense": lambda: qkeras.QDense(4, kernel_quantizer=quantizer, **bias),
        "conv": lambda: qkeras.QConv2D(4, 3, kernel_quantizer=quantizer, **bias),
        "depthwise": lambda: qkeras.QDepthwiseConv2D(3, depthwise_quantizer=quantizer, **bias),
        "folded dense": lambda: layers.DenseBatchNorm(4, kernel_quantizer=quantizer, **bias),
        "folded conv": lambda: layers.Conv2DBatchNorm(4, 3, kernel_quantizer=quantizer, **bias),
        "folded depthwise": lambda: layers.DepthwiseConv2DBatchNorm(
            3, kernel_quantizer=quantizer, **bias
        ),
    }[kind]()


KINDS = ("dense", "conv", "depthwise", "folded dense", "folded conv", "folded depthwise")


@pytest.mark.ordinary(6)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_layers_tell_it_whether_they_train(kind, compiled):
    layer = made(kind)
    shape = (8, 6) if "dense" in kind else (8, 6, 6, 2)
    x = np.random.default_rng(0).normal(0, 1, shape).astype("float32")
    layer.build(shape)
    call = tf.function(layer, jit_compile=False) if compiled else layer
    assert np.array_equal(call(x, training=False), call(x, training=False))
    assert not np.array_equal(call(x, training=True), call(x, training=True))


@pytest.mark.thorough
def test_fit_draws_predict_and_export_do_not(tmp_path):
    float_model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(10, seed=0),
            L.Rescaling(1 / 256),
            L.Conv2D(4, 3, use_bias=False, name="conv"),
            L.BatchNormalization(),
            L.ReLU(),
            layers.JacobianRegularized(
                L.DepthwiseConv2D(3, activation="relu", name="depthwise"), 0.01
            ),
            L.Flatten(),
            L.Dense(3, name="logits"),
        ]
    )
    model = qrobust.quantize(float_model, "stochastic_mean_ternary", 4, seed=7)
    same = qrobust.quantize(float_model, "mean_ternary", 4)
    x = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1)).astype("float32")
    y = np.random.default_rng(1).integers(0, 3, 32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), same.predict(x, verbose=0))

    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]

    def draws():
        """By seed: 0 of the noise, 7 to 9 of the layers."""
        found = {int(array(v)[0]): int(array(v)[1]) for v in seeds}
        return {seed: found[seed] for seed in (0, 7, 8, 9)}

    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    # Two epochs of two steps; noise draws sigma, too, and the penalty a kernel of its own.
    assert draws() == {0: 8, 7: 4, 8: 8, 9: 4}

    predicted = model.predict(x, verbose=0)
    assert draws() == {0: 8, 7: 4, 8: 8, 9: 4}
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), predicted)
    quantizer = loaded.get_layer("logits").kernel_quantizer_internal
    assert isinstance(quantizer, StochasticMeanTernary)
    assert isinstance(quantizer.seed, int)
    exported = export(loaded)
    assert exported.tflite == export(model).tflite
    assert check_parity(loaded, exported, x).is_exact
    loaded.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    loaded.fit(x, y, verbose=0)
