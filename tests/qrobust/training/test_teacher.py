"""Recipes with a teacher and with a moving average of the weights: what ends, and what resumes."""

import keras
import numpy as np
import pytest
from tiny_network import tiny

from qrobust import datasets, layers, quantize
from qrobust.architectures import digits_cnn
from qrobust.callbacks.freeze_statistics import measure_statistics
from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.training import defend, phase
from qrobust.training.curve import Curve
from qrobust.training.phase import unwrapped, wrapped
from qrobust.training.recipe import Recipe, read_recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.train import train
from tflite_export.keras_private import layers_inside

DEFENCE = Defence(sigma=20, consistency=2, distillation=1)
TRAINING = Training(epochs=2, float_epochs=1, batch_size=256, average=0.75)


def trained(log=None, resume=False, **changes):
    parts = {
        "name": "small",
        "data": Data("digits"),
        "network": Network("tiny_network:tiny"),
        "quantization": Quantization(4, 4),
        "defence": DEFENCE,
        "training": TRAINING,
    }
    return train(Recipe(**parts | changes), log=log, resume=resume, allow_code=True).model


def taught(model):
    return [x for x in layers_inside(model) if isinstance(x, layers.Distillation)]


def test_a_teacher_stands_inside_consistency_and_is_taken_off():
    model, knows = defend(tiny((8, 8, 1), 10), sigma=20), tiny((8, 8, 1), 10)
    for defence in (DEFENCE, Defence(sigma=20, distillation=1)):
        around = wrapped(model, defence, teacher=knows)
        (inside,) = taught(around)
        assert inside.teacher is knows and inside.weight == 1
        assert unwrapped(around) is model
    assert isinstance(wrapped(model, DEFENCE, teacher=knows).layers[-1], layers.Consistency)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nobody interrupts, and the folder of its log."""
    folder = tmp_path_factory.mktemp("whole")
    return trained(folder), folder


@pytest.mark.thorough
def test_the_float_twin_teaches_and_is_gone(whole):
    model, folder = whole
    assert not taught(model)
    checkpoint = keras.models.load_model(folder / "quantized_checkpoint.keras")
    (inside,) = taught(checkpoint)
    twin = keras.models.load_model(folder / "float.keras")
    x = np.random.default_rng(0).integers(0, 17, (9, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(inside.teacher(x), twin(x))


@pytest.mark.thorough
def test_what_ends_is_the_average(whole):
    model, folder = whole
    checkpoint = keras.models.load_model(folder / "quantized_checkpoint.keras")
    optimizer, learned = checkpoint.optimizer, checkpoint.trainable_variables
    averages, last, ends = (
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (
            optimizer._model_variables_moving_average,
            learned,
            model.trainable_variables,
        )
    )
    assert len(ends) == len(averages)
    for end, average, raw in zip(ends, averages, last, strict=True):
        np.testing.assert_array_equal(end, average)
        assert (end != raw).any()


@pytest.mark.thorough
@pytest.mark.parametrize("epoch", [1, None], ids=["in between", "behind the last epoch"])
def test_it_resumes_bit_for_bit(epoch, whole, tmp_path, monkeypatch):
    save = Curve.on_epoch_end

    def interrupted(self, now, logs=None):
        save(self, now, logs)
        if now == epoch and "quantized" in str(self.path):
            raise KeyboardInterrupt

    monkeypatch.setattr(Curve, "on_epoch_end", interrupted)
    if epoch is None:
        trained(tmp_path)
    else:
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path)
    monkeypatch.undo()
    resumed = trained(tmp_path, resume=True)
    for a, b in zip(resumed.get_weights(), whole[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.thorough
def test_a_network_of_a_file_teaches_another_start(whole, tmp_path):
    path = whole[1] / "float.keras"
    network = Network("tiny_network:tiny", teacher=str(path))
    training = Training(epochs=1, batch_size=256)
    trained(tmp_path, network=network, training=training)
    checkpoint = keras.models.load_model(tmp_path / "quantized_checkpoint.keras")
    (inside,) = taught(checkpoint)
    for a, b in zip(
        inside.teacher.get_weights(), keras.models.load_model(path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_that_does_not_fit_is_refused_before_the_float_phase(tmp_path, monkeypatch):
    monkeypatch.setattr("qrobust.training.train.fit", lambda *_, **__: pytest.fail("trained"))
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(10)]).save(tmp_path / "t.keras")
    network = Network("tiny_network:tiny", teacher=str(tmp_path / "t.keras"))
    with pytest.raises(ValueError, match=r"\[network\] teacher: .*t.keras.* input shape"):
        trained(network=network)


FLOAT = {"training": {"epochs": 1, "float_epochs": 1, "batch_size": 256}}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"defence": {"sigma": 9, "distillation": 1}}, "needs a trained float twin"),
        ({"network": {"teacher": "t.keras"}}, "teaches nothing"),
        (FLOAT | {"defence": {"sigma": 9, "distillation": 1, "macer": 1}}, "beside it: macer"),
        (FLOAT | {"defence": {"sigma": 9, "distillation": 1, "ibp": 1}}, "beside it: ibp"),
        (FLOAT | {"defence": {"sigma": 9, "distillation": -1}}, "distillation"),
        (
            FLOAT
            | {
                "defence": {"sigma": 9, "distillation": 1},
                "quantization": {"weight_bits": "float"},
            },
            "not of a float twin",
        ),
        ({"training": {"epochs": 1, "average": 1.0}}, "average"),
        (
            {
                "training": {"epochs": 2, "average": 0.5},
                "quantization": {"weight_schedule": {"0": 8, "1": 4}},
            },
            "weights of other bits",
        ),
        (
            {
                "defence": {"sigma": 9, "distillation": 1},
                "training": {"epochs": 0, "float_epochs": 1},
            },
            "epochs = 0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(sections, message, tmp_path, recipe_text):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(**sections))
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


@pytest.mark.thorough
def test_statistics_are_measured_under_the_averaged_weights(monkeypatch):
    asked = []

    def spy(model, inputs):
        weights = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
        asked.append((model, weights, inputs))
        measure_statistics(model, inputs)

    monkeypatch.setattr(phase, "measure_statistics", spy)
    options = {"network": Network("digits_cnn", {"width": 4}), "defence": Defence(sigma=20)}
    training = Training(epochs=2, batch_size=128, average=0.8)
    model = trained(**options, training=training)
    ((measured, weights, inputs),) = asked
    assert measured is model and inputs.shape == (1024, 8, 8, 1)
    for then, end in zip(weights, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(then, keras.ops.convert_to_numpy(end))
    trained(**options, training=Training(epochs=1, batch_size=128))
    assert len(asked) == 1  # not without an average


def test_measured_statistics_are_those_of_the_inputs():
    model = quantize(defend(digits_cnn(width=4), sigma=0), 4, 4)
    norm = next(layer for layer in layers_inside(model) if isinstance(layer, FoldedBatchNorm))
    norm.moving_mean.assign(norm.moving_mean + 9)
    x = datasets.digits(0).train.x[:200].astype("float32")
    measure_statistics(model, x)
    means = keras.ops.convert_to_numpy(norm.moving_mean)
    assert (np.abs(means) < 5).all() and np.ptp(means) > 0
    assert not norm.measuring


def test_an_average_longer_than_the_phase_is_refused():
    training = Training(epochs=2, batch_size=256, average=0.99)
    with pytest.raises(ValueError, match="spans 100 steps, and the quantized phase has 10"):
        trained(training=training, defence=Defence(sigma=20))


@pytest.mark.thorough
def test_a_checkpoint_is_no_start(whole):
    path = whole[1] / "quantized_checkpoint.keras"
    network = Network("tiny_network:tiny", start=str(path))
    with pytest.raises(ValueError, match="the wrapper that it was trained in"):
        trained(network=network, training=Training(epochs=1), defence=Defence(sigma=20))
