"""Stochastic ternary weights: QKeras's law, draw for draw in distribution."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf
from scipy import stats

import qrobust
from qrobust import layers
from qrobust.quantizers import StochasticMeanTernary, StochasticTernary, Ternary
from tflite_export import check_parity, export

L = keras.layers
KERNEL = np.random.default_rng(0).normal(0, 0.2, (30, 5)).astype("float32") * [0.2, 1, 1, 2, 4]
KERNEL = KERNEL.astype("float32")
DRAWS = 4000


def counts(quantize):
    """How often every weight became -1, 0, 1: (3, *kernel).

    Copies of a kernel have its largest weight, its deviation and its scale: one call draws all.
    """
    many = np.asarray(quantize(tf.constant(np.tile(KERNEL, (DRAWS, 1)))))
    signs = np.sign(np.round(many, 6)).reshape(DRAWS, *KERNEL.shape)
    return np.stack([(signs == level).sum(0) for level in (-1, 0, 1)])


def unlikely(found, expected):
    """The p-value that two tables of counts have one law, all weights together (chi-square)."""
    statistic = degrees = 0.0
    for a, b in zip(found.reshape(3, -1).T, expected.reshape(3, -1).T, strict=True):
        kept = a + b >= 20
        a, b = (np.append(v[kept], v[~kept].sum()) for v in (a, b))
        both = np.stack([a, b])[:, a + b > 0]
        if both.shape[1] < 2:
            continue
        mean = both.sum(0) / 2  # as many draws of each
        statistic += float(((both - mean) ** 2 / mean).sum())
        degrees += both.shape[1] - 1
    return stats.chi2.sf(statistic, degrees)


@pytest.fixture(scope="module")
def theirs():
    np.random.seed(0)  # QKeras draws from it
    quantizer = qkeras.stochastic_ternary(alpha="auto_po2")
    return counts(lambda kernel: quantizer(kernel, training=True))


def compiled(quantizer):
    return tf.function(lambda kernel: quantizer(kernel, training=True))


def test_its_draws_have_qkerass_law(theirs):
    assert unlikely(counts(compiled(StochasticTernary(seed=1))), theirs) > 1e-3


@pytest.mark.parametrize(
    "other", [StochasticTernary(seed=1, temperature=7.0), StochasticMeanTernary(seed=1)]
)
def test_another_law_is_noticed(other, theirs):
    assert unlikely(counts(compiled(other)), theirs) < 1e-6


def test_its_scale_is_qkerass():
    quantizer = qkeras.stochastic_ternary(alpha="auto_po2")
    expected = np.abs(np.asarray(quantizer(tf.constant(KERNEL), training=True))).max(0)
    found = np.abs(np.asarray(StochasticTernary(seed=1)(KERNEL, training=True))).max(0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_it_is_ternary_outside_training():
    quantizer = StochasticTernary(seed=1)
    np.testing.assert_array_equal(quantizer(KERNEL), Ternary()(KERNEL))
    expected = np.asarray(qkeras.stochastic_ternary(alpha="auto_po2")(tf.constant(KERNEL)))
    np.testing.assert_allclose(quantizer(KERNEL, training=False), expected, atol=1e-6)


def test_files_that_mean_the_older_one_say_so():
    config = {"name": "s", "trainable": True, "dtype": "float32", "channel_axes": [-1], "seed": 3}
    old = StochasticTernary.from_config(config)
    assert type(old) is StochasticMeanTernary and old.seed == 3
    again = StochasticTernary.from_config(StochasticTernary(temperature=4, seed=2).get_config())
    assert type(again) is StochasticTernary and (again.temperature, again.seed) == (4, 2)


def test_bad_temperatures_are_refused():
    with pytest.raises(ValueError, match="temperature is positive"):
        StochasticTernary(temperature=0)


@pytest.mark.thorough
def test_what_trains_exports_bit_for_bit(tmp_path):
    model = qrobust.quantize(
        keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.GridNoise(10, seed=0),
                L.Rescaling(1 / 256),
                L.Conv2D(4, 3, use_bias=False),
                L.BatchNormalization(),
                L.ReLU(),
                L.DepthwiseConv2D(3, activation="relu"),
                L.Flatten(),
                L.Dense(3, name="logits"),
            ]
        ),
        "stochastic_ternary",
        4,
        seed=7,
    )
    x = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1)).astype("float32")
    y = np.random.default_rng(1).integers(0, 3, 32)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    model.fit(x, y, epochs=3, batch_size=16, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    quantizer = loaded.get_layer("logits").kernel_quantizer_internal
    assert type(quantizer) is StochasticTernary
    exported = export(loaded)
    assert exported.tflite == export(model).tflite
    assert check_parity(loaded, exported, x).is_exact
