"""Distillation against its definition, computed with SciPy; the teacher is no part of the model."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from qrobust import layers, quantize
from qrobust.quantization.float32 import as_float32
from tflite_export import check_parity, export

L = keras.layers
X = np.random.default_rng(0).integers(0, 256, (48, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 4, 48)
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy


def student(seed=3, noise=40, units=4):
    parts = [keras.Input((5,)), layers.GridNoise(noise, seed=seed, name="noise")]
    glorot = keras.initializers.GlorotNormal(1)
    return keras.Sequential(
        [*parts, L.Rescaling(1 / 256), L.Dense(units, kernel_initializer=glorot)], name="student"
    )


def teacher(shape=(5,), units=4):
    glorot = keras.initializers.GlorotNormal(2)
    hidden = L.Dense(7, "relu", kernel_initializer=glorot)
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.GridNoise(99, seed=8),
            L.Rescaling(1 / 64),
            hidden,
            L.BatchNormalization(name="norm"),
            L.Dense(units, kernel_initializer=glorot),
        ],
        name="teacher",
    )
    model.get_layer("norm").moving_mean.assign(np.linspace(-1, 1, 7))
    return model


def divergence(u, v, temperature=1.0):
    log_p, log_q = (log_softmax(np.float64(z) / temperature, axis=-1) for z in (u, v))
    return (np.exp(log_q) * (log_q - log_p)).sum(-1).mean()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_papers_and_each_sees_its_own_noise(temperature):
    taught, knows = student(), teacher()
    wrapped = layers.Distillation(taught, knows, 3.0, temperature=temperature)
    outputs = wrapped(X, training=True)
    # A layer of the same seed draws the same: first for the teacher, then for the student.
    noise = layers.GridNoise(40, seed=3)
    first, second = (noise(X, training=True) for _ in range(2))
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 20
    np.testing.assert_array_equal(outputs, taught(second))
    expected = 3 * temperature**2 * divergence(taught(second), knows(first), temperature)
    np.testing.assert_allclose(float(wrapped.losses[0]), expected, rtol=1e-4)
    assert expected > 0.1


def test_without_noise_both_see_the_input():
    plain = keras.Sequential([keras.Input((5,)), L.Rescaling(1 / 256), L.Dense(4)])
    wrapped = layers.Distillation(plain, teacher(), 1.0)
    wrapped(X, training=True)
    expected = divergence(plain(X), teacher()(X))
    np.testing.assert_allclose(float(wrapped.losses[0]), expected, rtol=1e-4)


def test_inside_consistency_both_see_every_copy():
    noise = layers.GridNoise(40, seed=3)
    repeated = np.concatenate([X, X])
    heard, seen = (noise(repeated, training=True) for _ in range(2))
    taught = student()
    around = layers.Consistency(layers.Distillation(taught, teacher(), 1.0), 0.0, entropy=0.0)
    around(X, training=True)
    expected = divergence(taught(seen), teacher()(heard))
    assert any(np.isclose(float(loss), expected, rtol=1e-4) for loss in around.losses)


def trained(wrap, epochs=30):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, wrap(inputs))
    model.compile(keras.optimizers.Adam(0.01), CROSSENTROPY(from_logits=True))
    model.fit(X, Y, epochs=epochs, verbose=0)
    return model


def linear_teacher():
    glorot = keras.initializers.GlorotNormal(5)
    parts = [keras.Input((5,)), L.Rescaling(1 / 64), L.Dense(4, kernel_initializer=glorot)]
    return keras.Sequential(parts, name="teacher")


def test_the_teacher_is_heard_and_is_no_part_of_what_is_trained():
    knows = linear_teacher()  # which the student can follow
    before = [np.array(w) for w in knows.get_weights()]
    agreed = []
    for weight in (0.0, 20.0):
        taught = student(noise=4)
        model = trained(layers.Distillation(taught, knows, weight))
        agreed.append(divergence(taught(X), knows(X)))
        names = [variable.path for variable in model.variables]
        assert not any("teacher" in name for name in names)
        own = sum(np.size(w) for w in taught.get_weights())
        assert model.count_params() == own + 1  # the weight of the term
    assert agreed[1] < agreed[0] / 2
    for now, then in zip(knows.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_saved_training_keeps_its_teacher_and_exports_the_student(tmp_path):
    taught = quantize(student(), 4, 4)
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Distillation(taught, teacher(), 2.0)(inputs))
    model.compile("adam", CROSSENTROPY(from_logits=True))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.layers[-1].teacher(X), teacher()(X))
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), taught.predict(X, verbose=0))
    assert check_parity(loaded, export(loaded), X).is_exact
    assert len(export(loaded).tflite) < len(export(taught).tflite) + 100  # names alone


def test_quantize_keeps_the_teacher_as_it_is():
    knows = teacher()
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Distillation(student(), knows, 2.0)(inputs))
    twin = quantize(model, 4, 4)
    assert twin.layers[-1].teacher is knows and twin.layers[-1].weight == 2.0


@pytest.mark.parametrize("copy", ["clone", "h5"])
def test_a_copy_whose_teacher_has_no_weights_does_not_train(copy, tmp_path):
    knows, inputs = teacher(), keras.Input((5,))
    model = keras.Model(inputs, layers.Distillation(student(), knows, 2.0)(inputs))
    if copy == "clone":
        again = keras.models.clone_model(model)
        again.set_weights(model.get_weights())
    else:
        model.save(tmp_path / "m.h5")
        again = keras.models.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again(X), model(X))
    with pytest.raises(ValueError, match="no trained weights"):
        again(X, training=True)
    again.layers[-1].hear(knows)
    again(X, training=True)
    model.save_weights(tmp_path / "m.weights.h5")
    copied = keras.models.clone_model(model)
    copied.load_weights(tmp_path / "m.weights.h5")
    copied(X, training=True)
    np.testing.assert_array_equal(copied.layers[-1].teacher(X), knows(X))


def test_a_float32_copy_keeps_the_teacher():
    parts = [keras.Input((5,)), L.Rescaling(1 / 256), L.Dense(4, dtype="mixed_float16")]
    knows, inputs = teacher(), keras.Input((5,))
    taught = layers.Distillation(keras.Sequential(parts), knows, 2.0)
    again = as_float32(keras.Model(inputs, taught(inputs))).layers[-1]
    assert again is not taught and again.teacher is knows
    again(X, training=True)


def test_a_teacher_that_would_be_trained_is_refused():
    inputs = keras.Input((5,))
    features = L.Dense(7, "relu")(L.Rescaling(1 / 64)(inputs))
    taught, knows = (keras.Model(inputs, L.Dense(4)(features)) for _ in range(2))
    with pytest.raises(ValueError, match="shares variables with the model"):
        layers.Distillation(taught, knows, 1.0)


def test_what_is_no_model_is_refused_when_it_is_built():
    with pytest.raises(ValueError, match="a Sequential or Functional model"):
        layers.Distillation(L.Dense(4), teacher(), 1.0)(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "weight is not negative"),
        ({"temperature": 0.0}, "temperature is positive"),
        ({"temperature": float("nan")}, "temperature is positive"),
        ({"teacher": L.Dense(4)}, "a built Keras model"),
        ({"teacher": keras.Sequential([L.Dense(4)])}, "a built Keras model"),
        ({"teacher": teacher(units=3)}, "a teacher from .5,. to 3"),
        ({"teacher": teacher(shape=(6,))}, "a teacher from .6,. to 4"),
        (
            {"teacher": keras.Sequential([keras.Input((5,)), L.Dense(4, "softmax")])},
            "ends in a softmax",
        ),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layers.Distillation(**{"layer": student(), "teacher": teacher(), "weight": 1.0} | options)


def test_views_have_no_teacher():
    views = keras.Sequential([keras.Input((5,)), layers.SplitNoise(8), L.Dense(4)])
    for pair in ((views, teacher()), (student(), views)):
        with pytest.raises(ValueError, match="SplitNoise on its input"):
            layers.Distillation(*pair, 1.0)


@pytest.mark.parametrize("other", [{"exponent": -8}, {"minimum": -128, "maximum": 127}], ids=str)
def test_a_teacher_whose_noise_is_on_another_grid_is_refused(other):
    def noisy(**grid):
        return keras.Sequential([keras.Input((5,)), layers.GridNoise(9, **grid), L.Dense(4)])

    layers.Distillation(noisy(), noisy(), 1.0)
    with pytest.raises(ValueError, match="0 to 255 in steps of 2.0, a teacher of inputs from"):
        layers.Distillation(noisy(), noisy(**other), 1.0)
    known = noisy()
    around = layers.Distillation(noisy(), known, 1.0)
    with pytest.raises(ValueError, match="a teacher of inputs from"):
        around.hear(noisy(**other))
    assert around.teacher is known


@pytest.mark.parametrize("wrapper", ["Consistency", "Macer", "SmoothAdversarial"])
def test_it_goes_inside_wrappers_of_several_copies(wrapper):
    around = getattr(layers, wrapper)(student(), 1.0)
    with pytest.raises(ValueError, match=f"inside {wrapper}"):
        layers.Distillation(around, teacher(), 1.0)
