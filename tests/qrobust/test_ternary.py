"""Ternary weights against QKeras itself, and files that mean the older ones."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf

from qrobust.quantizers import MeanTernary, Ternary
from qrobust.quantizers.ternary_levels import ternary_levels

RNG = np.random.default_rng(0)
KERNELS = {
    "dense": RNG.normal(0, 0.2, (50, 12)),
    "conv": RNG.normal(0, 0.05, (3, 3, 16, 24)),
    "uniform": RNG.uniform(-1, 1, (3, 3, 4, 8)),
    "heavy tails": RNG.standard_t(2, (64, 32)),
    "channels apart": RNG.normal(0, 1, (40, 6)) * [0.02, 0.1, 1, 1, 2, 4],
    "zeros": np.zeros((9, 4)),
    "depthwise": RNG.normal(0, 1, (3, 3, 6, 1)) * np.reshape([0.1, 0.2, 1, 1, 2, 4], (6, 1)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_it_is_what_qkeras_computes(name):
    kernel = KERNELS[name].astype("float32")
    expected = np.asarray(qkeras.ternary(alpha="auto_po2")(tf.constant(kernel)))
    found = np.asarray(Ternary()(kernel))
    # QKeras adds its result to the weights and takes them away again, in float32.
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(kernel).max(initial=1e-6))
    np.testing.assert_array_equal(np.sign(found), np.sign(np.round(expected, 7)))


def test_a_scale_for_each_channel_of_a_depthwise_kernel_is_not_qkeras_s():
    kernel = KERNELS["depthwise"].astype("float32")
    one, each = (np.asarray(Ternary(axes)(kernel)) for axes in ((-1,), (-2, -1)))
    assert not one[:, :, 0].any() and each[:, :, 0].any()


def test_the_older_one_is_another():
    kernel = KERNELS["conv"].astype("float32")
    expected = np.asarray(qkeras.ternary(alpha="auto_po2")(tf.constant(kernel)))
    assert np.mean(np.sign(MeanTernary()(kernel)) != np.sign(np.round(expected, 7))) > 0.03


@pytest.mark.parametrize("axes", [(-1,), (-2, -1)])
def test_levels_are_exact_and_gradients_straight(axes):
    kernel = tf.constant(KERNELS["conv"].astype("float32"))
    quantizer = Ternary(axes)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        quantized = quantizer(kernel)
    assert np.all(tape.gradient(quantized, kernel) == 1)
    steps = np.asarray(quantizer.steps(kernel))
    assert np.isin(np.asarray(quantized) / steps, (-1, 0, 1)).all()
    assert np.all(np.log2(steps) % 1 == 0)
    compiled = tf.function(quantizer)(kernel)
    np.testing.assert_array_equal(compiled, quantized)


def test_a_channel_far_below_the_others_is_silent():
    kernel = (RNG.normal(0, 1, (40, 2)) * [1, 1e-4]).astype("float32")
    found = np.asarray(Ternary()(kernel))
    assert np.any(found[:, 0]) and not np.any(found[:, 1])


def test_the_threshold_itself():
    """Where |w| is half the scale, QKeras's ternary rounds to even, its stochastic one does not."""
    kernel = tf.constant([[1.0], [1.0], [0.5]])
    levels = {ties: np.asarray(ternary_levels(kernel, (0,), ties=ties)[0]) for ties in (0, 1)}
    assert levels[0].ravel().tolist() == [1, 1, 0]
    assert levels[1].ravel().tolist() == [1, 1, 1]
    expected = np.asarray(qkeras.ternary(alpha="auto_po2")(kernel))
    assert expected.ravel().tolist() == [1, 1, 0]


def test_files_that_mean_the_older_one_say_so():
    old = {
        "module": "qrobust.quantizers.ternary",
        "class_name": "Ternary",
        "config": {"channel_axes": [-1]},
        "registered_name": "qrobust>Ternary",
    }
    assert type(keras.saving.deserialize_keras_object(old)) is MeanTernary
    new = keras.saving.serialize_keras_object(Ternary((-2, -1), unrolls=3))
    again = keras.saving.deserialize_keras_object(new)
    assert type(again) is Ternary and again.get_config() == {"channel_axes": [-2, -1], "unrolls": 3}


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="unrolls is at least 1"):
        Ternary(unrolls=0)
