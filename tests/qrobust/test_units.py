"""A linear layer, its batch norm and its ReLU as one layer: for penalties on the whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qrobust import quantize
from qrobust.layers import JacobianRegularized
from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.quantization.units import find_units
from qrobust.training.apply_defence import defend
from tflite_export import check_parity, export

L = keras.layers
LINEAR = {
    "conv": lambda: L.Conv2D(4, 3, strides=2, padding="same", name="linear"),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2, name="linear"),
    "dense": lambda: L.Dense(4, name="linear"),
}


def network(kind, *, norm=True, relu=None):
    """Rescaling, one unit, logits; weights and statistics from a seed."""
    shape = (6,) if kind == "dense" else (6, 6, 3)
    behind = [L.BatchNormalization(epsilon=1e-2)] if norm else []
    relu = L.Activation("relu", name="relu") if relu is None else relu
    rest = [relu, L.Flatten(), L.Dense(3, name="logits")]
    model = keras.Sequential(
        [keras.Input(shape), L.Rescaling(1 / 256), LINEAR[kind](), *behind, *rest]
    )
    rng = np.random.default_rng(0)
    for variable in model.variables:
        low = 0.3 if "variance" in variable.path else -1.0
        variable.assign(rng.uniform(low, 1.5, variable.shape))
    return model


def pixels(model, count=8):
    shape = (count, *model.inputs[0].shape[1:])
    return np.random.default_rng(1).integers(0, 256, shape).astype("float32")


def squared_norm(function, x):
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.reshape(function(x), (len(x), -1))
    jacobian = tape.batch_jacobian(y, x, experimental_use_pfor=False)
    return float(tf.reduce_mean(tf.reduce_sum(tf.square(tf.reshape(jacobian, (len(x), -1))), 1)))


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("norm", [True, False], ids=["norm", "plain"])
@pytest.mark.parametrize("kind", LINEAR)
def test_the_penalty_is_on_the_jacobian_of_the_whole_unit(kind, norm):
    model = network(kind, norm=norm)
    defended = defend(model, sigma=0, jacobian=0.5)
    (wrapper,) = (x for x in defended.layers if x.name == "linear_jacobian")
    if norm:
        wrapper.layer.frozen = True  # statistics as in inference, for the comparison
    x = pixels(model) / 256
    wrapper(x, training=True)
    first = model.layers.index(model.get_layer("linear"))
    unit = keras.Sequential(model.layers[first : first + 2 + norm])
    expected = 0.5 * squared_norm(lambda v: unit(v, training=False), x)
    np.testing.assert_allclose(float(wrapper.losses[0]), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", LINEAR)
def test_the_function_stays(kind):
    model = network(kind)
    x = pixels(model)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(defend(model, sigma=9).predict(x, verbose=0), expected)
    defended = defend(model, sigma=9, jacobian=1e-3)
    np.testing.assert_allclose(defended.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", LINEAR)
def test_the_quantized_twin_keeps_weights_and_penalty_and_is_exact(kind):
    model = network(kind)
    x = pixels(model, 40)
    twin = quantize(defend(model, sigma=9, jacobian=1e-3), 4, 4, calibrate=x)
    plain = quantize(defend(model, sigma=9), 4, 4, calibrate=x)
    np.testing.assert_array_equal(twin.predict(x, verbose=0), plain.predict(x, verbose=0))
    (wrapper,) = (y for y in twin.layers if y.name == "linear_jacobian")
    assert isinstance(wrapper, JacobianRegularized) and isinstance(wrapper.layer, FoldedBatchNorm)
    assert wrapper.layer.activation.bits == 4
    assert check_parity(twin, export(twin), x.astype("uint8")).is_exact


def test_what_something_else_reads_stays_apart():
    """A shortcut from before the ReLU, a ReLU with a ceiling, a layer that runs twice."""
    inputs = keras.Input((6,))
    once, twice = L.Dense(6, name="once"), L.Dense(6, name="twice")
    z = once(inputs)
    y = L.Add()([L.ReLU()(z), z])
    y = L.ReLU(max_value=6)(twice(twice(y)))
    capped = L.Dense(6, name="capped")
    model = keras.Model(inputs, L.ReLU(max_value=6)(capped(y)))
    units = {unit.linear.name: unit for unit in find_units(model)}
    assert units.keys() == {"once", "capped"}
    assert units["once"].relu is None and units["capped"].relu is None


def siamese(first, second):
    """Two branches on one input, joined."""
    inputs = keras.Input((6,))
    branches = []
    for layers in (first, second):
        y = inputs
        for layer in layers:
            y = layer(y)
        branches.append(y)
    model = keras.Model(inputs, L.Dense(3, name="logits")(L.ReLU()(L.Add()(branches))))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        low = 0.3 if "variance" in variable.path else -1.0
        variable.assign(rng.uniform(low, 1.5, variable.shape))
    return model


def sharing(case):
    dense, norm, relu = L.Dense(4, name="dense"), L.BatchNormalization(name="norm"), L.ReLU()
    other = L.Dense(4, name="other")
    return {
        "two norms behind one layer": ([dense, norm], [dense, L.BatchNormalization(name="b")]),
        "a norm in one branch only": ([dense, norm], [dense]),
        "one norm behind two layers": ([dense, norm], [other, norm]),
        "a norm that also runs alone": ([dense, norm], [other, relu, norm]),
    }[case]


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(
    "case",
    [
        "two norms behind one layer",
        "a norm in one branch only",
        "one norm behind two layers",
        "a norm that also runs alone",
    ],
)
def test_what_branches_share_and_follow_differently_is_never_folded(case):
    model = siamese(*sharing(case))
    assert all(unit.norm is None for unit in find_units(model, shared=True))
    # The norms become layers of their own, or go into the kernel of the one branch that has them.
    x = np.random.default_rng(1).integers(0, 256, (50, 6)).astype("float32")
    twin = quantize(model, 6, 8, calibrate=x)
    expected = model.predict(x, verbose=0)
    off = np.abs(twin.predict(x, verbose=0) - expected).max()
    assert off < 0.1 * np.abs(expected).max()
    assert check_parity(twin, export(twin), x).is_exact


def test_a_layer_and_its_norm_that_branches_share_alike_are_folded():
    dense, norm = L.Dense(4, name="dense"), L.BatchNormalization(name="norm")
    model = siamese([dense, norm, L.ReLU()], [L.ReLU(), dense, norm, L.ReLU()])
    (unit,) = (u for u in find_units(model, shared=True) if u.linear is dense)
    assert (unit.norm, unit.runs) == (norm, 2)
    assert dense not in [u.linear for u in find_units(model)]
    x = np.random.default_rng(1).integers(0, 8, (50, 6)).astype("float32") / 4
    twin = quantize(model, 8, 8, calibrate=x, input_grid="data")
    expected = model.predict(x, verbose=0)
    off = np.abs(twin.predict(x, verbose=0) - expected).max()
    assert off < 0.05 * np.abs(expected).max()  # eight bits of a folded layer, not another function
    with pytest.raises(ValueError, match="'dense' runs 2 times"):
        defend(model, sigma=0, jacobian=1e-3)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from("dDnNrR"), min_size=1, max_size=5),
    st.lists(st.sampled_from("dDnNrR"), min_size=1, max_size=5),
)
def test_a_defence_computes_the_same_or_is_refused(first, second):
    """Any two branches of two dense layers, two norms and two ReLUs, shared as it comes."""
    pool = {name: L.Dense(6) for name in "dD"}
    pool |= {name: L.BatchNormalization() for name in "nN"} | {name: L.ReLU() for name in "rR"}
    model = siamese(*([pool[name] for name in branch] for branch in (first, second)))
    runs = {name: [*first, *second].count(name) for name in "dD"}
    if max(runs.values()) > 1:
        with pytest.raises(ValueError, match="runs . times"):
            defend(model, sigma=0, jacobian=1e-3)
        return
    x = np.random.default_rng(1).integers(0, 5, (5, 6)).astype("float32")
    defended = defend(model, sigma=0, jacobian=1e-3)
    expected = model.predict_on_batch(x)
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(defended.predict_on_batch(x) / size, expected / size, atol=1e-4)
