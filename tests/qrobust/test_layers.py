"""Layers against other computations: autodiff, Keras's batch norm, exact probabilities."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf

from qrobust import layers
from qrobust.layers.integer_global_average_pooling2d import nearest_share
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu

L = keras.layers
NORMAL = keras.initializers.RandomNormal(stddev=0.5, seed=3)


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return model


# --- Jacobians --------------------------------------------------------------------------------


def full_jacobian_norm(function, x):
    """Mean over the batch of the squared norm of the whole Jacobian, by autodiff."""
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = function(x)
        y = tf.reshape(y, (len(y), -1))
    jacobian = tape.batch_jacobian(y, x, experimental_use_pfor=False)
    return float(tf.reduce_mean(tf.reduce_sum(tf.square(tf.reshape(jacobian, (len(x), -1))), 1)))


Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
LAYERS = {
    "dense": lambda: L.Dense(5, activation="tanh", kernel_initializer=NORMAL),
    "dense on maps": lambda: L.Dense(5, activation="relu", kernel_initializer=NORMAL),
    "linear dense on maps": lambda: L.Dense(5, kernel_initializer=NORMAL),
    "conv same": lambda: L.Conv2D(4, 3, padding="same", activation="relu"),
    "conv strided": lambda: L.Conv2D(4, (3, 2), strides=2, padding="same", activation="sigmoid"),
    "conv dilated": lambda: L.Conv2D(4, 3, dilation_rate=2, activation="relu"),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "quantized conv": lambda: qkeras.QConv2D(4, 3, activation=QuantizedRelu(4, 1), **Q),
    "quantized dense": lambda: qkeras.QDense(4, activation=QuantizedRelu(4, 1), **Q),
    "quantized depthwise": lambda: qkeras.QDepthwiseConv2D(
        3,
        depthwise_quantizer=PowerOfTwoWeights(4, channel_axes=(-2, -1)),
        bias_quantizer=FixedPoint(),
        activation=QuantizedRelu(4, 1),
    ),
}


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("name", LAYERS)
def test_the_closed_form_equals_the_full_jacobian(name):
    inner = LAYERS[name]()
    wrapped = layers.JacobianRegularized(inner, weight=0.5)
    shape = (6,) if name in ("dense", "quantized dense") else (6, 5, 3)
    x = np.random.default_rng(0).normal(0, 1, (3, *shape)).astype("float32")
    y = wrapped(x, training=True)
    (penalty,) = wrapped.losses
    # Straight-through layers: the surrogate's Jacobian is what autodiff sees.
    expected = 0.5 * full_jacobian_norm(inner, x)
    np.testing.assert_allclose(float(penalty), expected, rtol=1e-4)
    np.testing.assert_array_equal(y, inner(x))


def test_the_folded_kernel_is_the_one_that_counts():
    inner = layers.Conv2DBatchNorm(4, 3, kernel_quantizer=PowerOfTwoWeights(4))
    wrapped = layers.JacobianRegularized(inner, weight=1.0)
    x = np.random.default_rng(0).normal(0, 1, (2, 6, 6, 3)).astype("float32")
    wrapped.build(x.shape)
    expected = full_jacobian_norm(lambda v: inner(v, training=False), x)
    wrapped(x, training=True)
    np.testing.assert_allclose(float(wrapped.losses[0]), expected, rtol=1e-4)


def logits_model():
    return randomize(
        keras.Sequential([keras.Input((6,)), L.Dense(8, "tanh"), L.Dense(4)], name="net")
    )


def test_exact_logits_jacobian():
    inner = logits_model()
    wrapped = layers.JacobianRegularized(inner, weight=3.0, projections=-1)
    x = np.random.default_rng(0).normal(0, 1, (5, 6)).astype("float32")
    wrapped(x, training=True)
    np.testing.assert_allclose(
        float(wrapped.losses[0]), 1.5 * full_jacobian_norm(inner, x), rtol=1e-5
    )


def test_random_projections_are_unbiased():
    inner = logits_model()
    wrapped = layers.JacobianRegularized(inner, weight=2.0, projections=400, seed=1)
    x = np.random.default_rng(0).normal(0, 1, (50, 6)).astype("float32")
    wrapped(x, training=True)
    np.testing.assert_allclose(float(wrapped.losses[0]), full_jacobian_norm(inner, x), rtol=0.05)


@pytest.mark.parametrize("quantizer", [QuantizedRelu(4, 1), QuantizedRelu(1, 1), QuantizedBits(8)])
def test_the_penalty_reaches_layers_behind_a_quantizer(quantizer):
    """Its gradient is that of the closed form, with the surrogate's derivative held."""
    hidden = L.Dense(8, activation=quantizer, kernel_initializer=NORMAL)
    logits = L.Dense(4, kernel_initializer=NORMAL)
    wrapped = layers.JacobianRegularized(
        keras.Sequential([keras.Input((6,)), hidden, logits]), weight=2.0, projections=-1
    )
    x = np.random.default_rng(0).normal(0, 0.4, (5, 6)).astype("float32")
    kernels = [hidden.kernel.value, logits.kernel.value]
    with tf.GradientTape() as tape:
        wrapped(x, training=True)
        penalty = wrapped.losses[0]
    gradients = tape.gradient(penalty, kernels)
    derivative = quantizer.derivative(x @ hidden.kernel + hidden.bias)
    with tf.GradientTape() as tape:
        jacobian = tf.einsum("bh,ih,hc->bic", derivative, *kernels)
        expected = tf.reduce_sum(tf.square(jacobian)) / len(x)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)
    for ours, theirs in zip(gradients, tape.gradient(expected, kernels), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.thorough
def test_the_penalty_shrinks_the_jacobian_in_training():
    x = np.random.default_rng(0).normal(0, 1, (64, 6)).astype("float32")
    y = np.random.default_rng(1).integers(0, 4, 64)
    norms = []
    for weight in (0.0, 0.3):
        inner = logits_model()
        inputs = keras.Input((6,))
        model = keras.Model(inputs, layers.JacobianRegularized(inner, weight, seed=0)(inputs))
        model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(True))
        model.fit(x, y, epochs=20, verbose=0, shuffle=False)
        norms.append(full_jacobian_norm(inner, x))
    assert norms[1] < norms[0] / 3


def test_layers_without_a_closed_form_are_refused():
    with pytest.raises(ValueError, match="no Jacobian in closed form"):
        layers.JacobianRegularized(L.LSTM(3), weight=1.0)
    with pytest.raises(ValueError, match="derivative of .* is not known"):
        layers.JacobianRegularized(L.Dense(3, activation="softplus"), weight=1.0)
    with pytest.raises(ValueError, match="channels_last only"):
        layers.JacobianRegularized(L.Conv2D(3, 1, data_format="channels_first"), weight=1.0)
    with pytest.raises(ValueError, match="weight=-1"):
        layers.JacobianRegularized(L.Dense(3), weight=-1)
    with pytest.raises(ValueError, match="projections=0"):
        layers.JacobianRegularized(logits_model(), weight=1, projections=0)


# --- Folded batch norm ------------------------------------------------------------------------

PAIRS = {
    "conv": (
        lambda: L.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
        lambda: layers.Conv2DBatchNorm(4, 3, strides=2, padding="same"),
    ),
    "depthwise": (
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
        lambda: layers.DepthwiseConv2DBatchNorm(3, depth_multiplier=2),
    ),
    "dense": (lambda: L.Dense(4, use_bias=False), lambda: layers.DenseBatchNorm(4)),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_without_quantizers_it_is_keras_batch_norm(kind):
    """The same outputs, gradients and statistics, in training and in inference."""
    plain, folded = PAIRS[kind][0](), PAIRS[kind][1]()
    norm = L.BatchNormalization(epsilon=1e-3, momentum=0.9)
    folded.momentum = 0.9
    shape = (16, 5) if kind == "dense" else (16, 6, 6, 3)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(0.3, 2, shape), tf.float32)
    norm(plain(x)), folded(x)
    folded.kernel.assign(plain.kernel)
    gamma, beta = rng.normal(1, 0.3, (2, *norm.gamma.shape))
    for layer in (norm, folded):
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
        layer.moving_mean.assign(beta * 2)
        layer.moving_variance.assign(gamma**2 + 0.5)

    def step(function, kernel, gamma):
        with tf.GradientTape() as tape:
            y = function()
            loss = tf.reduce_sum(y**3)
        return y, tape.gradient(loss, [kernel.value, gamma.value])

    expected, expected_gradients = step(
        lambda: norm(plain(x), training=True), plain.kernel, norm.gamma
    )
    y, gradients = step(lambda: folded(x, training=True), folded.kernel, folded.gamma)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(folded.moving_mean, norm.moving_mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(folded.moving_variance, norm.moving_variance, rtol=1e-4)
    np.testing.assert_allclose(
        folded(x, training=False), norm(plain(x), training=False), rtol=1e-3, atol=1e-4
    )


def test_graphs_fold_with_the_same_bits_as_eager_code():
    """A weight on the edge between two integers is the same one in predict and in the export."""
    layer = layers.Conv2DBatchNorm(400, 1)
    layer.build((None, 4, 4, 1))
    rng = np.random.default_rng(0)
    for variable in (layer.gamma, layer.moving_variance):
        variable.assign(rng.uniform(0.1, 2, 400))
    layer.kernel.assign(np.ones((1, 1, 1, 400)))
    compiled = tf.function(lambda: (layer.folded_kernel(), layer.folded_bias()))
    for graph, eager in zip(compiled(), (layer.folded_kernel(), layer.folded_bias()), strict=True):
        np.testing.assert_array_equal(graph, eager)


# --- Integer average --------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4, 9, 25, 49, 64, 125, 144])
def test_the_share_is_exact_and_near(count):
    share = nearest_share(count)
    mantissa = share * 2**20
    assert mantissa == int(mantissa)
    assert abs(share * count - 1) < 0.031
    assert (count & (count - 1)) or share == 1 / count


# --- Serialization ----------------------------------------------------------------------------


def test_every_layer_survives_saving(tmp_path):
    folded = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
    inputs = keras.Input((8, 8, 2))
    x = layers.GridNoise((1, 5), seed=3)(inputs)
    x = L.Rescaling(1 / 256)(x)
    x = layers.Conv2DBatchNorm(4, 3, activation=QuantizedRelu(4, 1), **folded)(x)
    depthwise = layers.DepthwiseConv2DBatchNorm(
        3, kernel_quantizer=PowerOfTwoWeights(3, "max", (-2, -1)), bias_quantizer=FixedPoint()
    )
    x = layers.JacobianRegularized(depthwise, 0.1)(x)
    x = layers.IntegerGlobalAveragePooling2D()(x)
    x = layers.DenseBatchNorm(6, **folded)(x)
    x = layers.JacobianRegularized(
        keras.Sequential([keras.Input((6,)), L.Dense(3)], name="head"), 0.2, projections=2
    )(x)
    model = randomize(keras.Model(inputs, x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 2)).astype("float32")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )
    assert [type(a) for a in loaded.layers] == [type(a) for a in model.layers]
    assert loaded.layers[1].sigma == (1, 5)
    loaded.compile("sgd", "mse")
    loaded.fit(images, np.zeros((5, 3)), verbose=0)
