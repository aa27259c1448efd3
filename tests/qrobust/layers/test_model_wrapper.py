"""Wrappers around models: weights of classes and samples, compiled models, what is refused."""

import keras
import numpy as np
import pytest

from qrobust import callbacks, layers

L = keras.layers
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy
X = np.random.default_rng(0).integers(0, 256, (64, 8)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 64)

WRAPPERS = {
    "Consistency": lambda m: layers.Consistency(m, 0.0, entropy=0.0),
    "SmoothAdversarial": lambda m: layers.SmoothAdversarial(m, 4.0, copies=2),
    "Macer": lambda m: layers.Macer(m, 1.0, copies=2),
    "JacobianRegularized": lambda m: layers.JacobianRegularized(m, 0.0),
}


def inner_model(units=3):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8,))
    noisy = layers.GridNoise(90, seed=1)(inputs)
    return keras.Model(inputs, L.Dense(units, name="head")(L.Rescaling(4 / 256)(noisy)))


def one_step(wrap, reduction="sum_over_batch_size", loss_weight=None, **weights):
    """Loss and change of the kernel after one step of gradient descent on all examples."""
    inner = inner_model()
    model = keras.Sequential([keras.Input((8,)), wrap(inner)])
    loss = CROSSENTROPY(from_logits=True, reduction=reduction)
    scale = None if loss_weight is None else [loss_weight]
    model.compile(keras.optimizers.SGD(1e-4), loss, loss_weights=scale)
    before = inner.get_layer("head").get_weights()[0]
    history = model.fit(X, Y, batch_size=64, shuffle=False, verbose=0, **weights).history
    return history["loss"][0], inner.get_layer("head").get_weights()[0] - before


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("wrapper", ["Consistency", "SmoothAdversarial"])
@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({"class_weight": dict.fromkeys(range(3), 10.0)}, 10),
        ({"sample_weight": np.full(64, 0.25)}, 0.25),
        ({"reduction": "sum"}, 64),
        ({"loss_weight": 3.0}, 3),
    ],
)
def test_loss_and_gradient_are_linear_in_the_weights(wrapper, options, factor):
    plain, step = one_step(WRAPPERS[wrapper])
    heavy, heavy_step = one_step(WRAPPERS[wrapper], **options)
    np.testing.assert_allclose(heavy, factor * plain, rtol=1e-4)
    # float32 sums of other sizes.
    np.testing.assert_allclose(heavy_step, factor * step, rtol=2e-3, atol=1e-7 * factor)


def test_weights_of_examples_are_those_of_the_documented_loss():
    """mean_i w CE(p_i, y), in NumPy, on the copies that a model of equal seeds sees."""
    weights = np.random.default_rng(2).uniform(0, 4, 64)
    said, _ = one_step(WRAPPERS["Consistency"], sample_weight=weights)
    z = np.asarray(inner_model()(np.concatenate([X, X]), training=True), np.float64)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    cross = -log_p[np.arange(128), np.tile(Y, 2)].reshape(2, 64).mean(0)
    np.testing.assert_allclose(said, (weights * cross).mean(), rtol=1e-4)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_model_compiled_before_keeps_its_metrics_to_itself(wrapper, tmp_path):
    inner = inner_model()
    inner.compile("adam", CROSSENTROPY(from_logits=True), metrics=["accuracy"])
    inner.fit(X, Y, verbose=0)
    model = keras.Sequential([keras.Input((8,)), WRAPPERS[wrapper](inner)])
    model.compile("adam", CROSSENTROPY(from_logits=True), metrics=["accuracy"])
    history = model.fit(X, Y, verbose=0).history
    model.save(tmp_path / "m.keras")
    for trained in (model, keras.models.load_model(tmp_path / "m.keras")):
        z = trained.predict(X, verbose=0)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        said = trained.evaluate(X, Y, verbose=0, return_dict=True)
        np.testing.assert_allclose(said["loss"], -log_p[np.arange(64), Y].mean(), rtol=1e-4)
        np.testing.assert_allclose(said["accuracy"], (z.argmax(1) == Y).mean(), rtol=1e-5)
    assert history["loss"][0] > 0


@pytest.mark.parametrize("wrapper", ["Consistency", "SmoothAdversarial", "Macer"])
def test_one_logit_and_several_inputs_are_refused(wrapper):
    with pytest.raises(ValueError, match=f"{wrapper} compares classes.*2 logits"):
        WRAPPERS[wrapper](inner_model(1))
    a, b = keras.Input((8,)), keras.Input((8,))
    both = L.Concatenate()([layers.GridNoise(32)(a), layers.GridNoise(32)(b)])
    with pytest.raises(ValueError, match=f"{wrapper} takes a model with one input"):
        WRAPPERS[wrapper](keras.Model([a, b], L.Dense(3)(both)))


def test_certified_accuracy_needs_two_classes():
    callback = callbacks.CertifiedAccuracy(X[:4], np.zeros(4, int), radii=[4], n=64)
    callback.set_model(inner_model(1))
    with pytest.raises(ValueError, match="2 classes"):
        callback.certify()


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 100), (-128, 100), (-5, 5), (0, 254)])
def test_a_range_that_a_device_does_not_have_is_refused(minimum, maximum):
    with pytest.raises(ValueError, match="255 steps wide"):
        layers.GridNoise(1, minimum=minimum, maximum=maximum)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_noise_on_integer_inputs(dtype):
    x = X.astype(dtype)
    noisy = np.asarray(layers.GridNoise(16)(x, training=True))
    assert noisy.min() >= 0 and noisy.max() <= 255 and 10 < (noisy - X).std() < 18
    np.testing.assert_array_equal(layers.GridNoise(16)(x), X)


@pytest.mark.parametrize("wrapper", ["Consistency", "SmoothAdversarial", "Macer"])
def test_a_softmax_inside_is_refused(wrapper):
    inner = inner_model()
    model = keras.Model(inner.inputs, L.Softmax()(inner.outputs[0]), name="ends")
    nested = keras.Sequential([keras.Input((8,)), model], name="around")
    for wrong in (model, nested):
        with pytest.raises(ValueError, match="ends in a softmax.*from_logits=True"):
            WRAPPERS[wrapper](wrong)
    WRAPPERS[wrapper](inner)


DRAWING = {
    "noise": lambda: [layers.GridNoise(64)],
    "dropout": lambda: [L.Dropout(0.1)],
    "augmentation": lambda: [L.Reshape((2, 4, 1)), L.RandomFlip(), L.Flatten()],
    "nested": lambda: [keras.Sequential([layers.SplitNoise(8)])],
}


def silent(*more):
    return keras.Sequential([keras.Input((8,)), *more, L.Dense(3)], name="silent")


@pytest.mark.parametrize("kind", DRAWING)
def test_consistency_takes_whatever_draws(kind):
    layers.Consistency(silent(*DRAWING[kind]()), 5)


def test_consistency_without_anything_random_is_refused():
    with pytest.raises(ValueError, match="nothing in 'silent' is random.*GridNoise"):
        layers.Consistency(silent(L.Dense(4)), 5)
    layers.Consistency(silent(), 0)  # switched off on purpose


def test_stochastic_weights_draw():
    from qrobust import quantize

    ternary = quantize(silent(), weight_bits="stochastic_ternary", activation_bits=4)
    layers.Consistency(ternary, 5)
    with pytest.raises(ValueError, match="is random"):
        layers.Consistency(quantize(silent(), weight_bits=4, activation_bits=4), 5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's strategies")
def test_a_jacobian_penalty_says_that_it_trains_on_one_device():
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        wrapped = layers.JacobianRegularized(L.Dense(3), 1e-3)
        wrapped(X)  # inference may
        with pytest.raises(ValueError, match="one device, and not under OneDeviceStrategy"):
            wrapped(X, training=True)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_noise_says_that_mixed_precision_is_no_good(policy):
    with pytest.raises(ValueError, match="Train in float32.*set_global_policy"):
        layers.GridNoise(64, dtype=keras.mixed_precision.DTypePolicy(policy))


def test_noise_below_a_step_is_refused():
    for sigma in (0.25, (0.0, 0.5)):
        with pytest.raises(ValueError, match=r"steps of the input's grid.*sigma="):
            layers.GridNoise(sigma)
    noise = layers.GridNoise((0, 1))
    noise.sigma = 0.5  # a schedule passes through
    layers.GridNoise(0)


@pytest.mark.parametrize("name", ["compile", "fit", "predict", "summary"])
def test_who_takes_a_wrapper_for_a_model_is_told_how_it_is_trained(name):
    wrapped = layers.JacobianRegularized(L.Dense(3), 1e-3)
    with pytest.raises(AttributeError, match=f"is a layer, which has no {name}: put it into"):
        getattr(wrapped, name)
    assert not hasattr(wrapped, name) and not hasattr(wrapped, "of_no_model")


def test_what_is_built_late_is_looked_at_then():
    noisy = [layers.GridNoise(32), L.Flatten(), L.Dense(3)]
    for inside, message in (
        ([*noisy, L.Softmax()], "ends in a softmax"),
        (noisy[1:], "is random"),
    ):
        wrapped = layers.Consistency(keras.Sequential(inside), 5)
        with pytest.raises(ValueError, match=message):
            keras.Sequential([keras.Input((4, 4, 1)), wrapped])
