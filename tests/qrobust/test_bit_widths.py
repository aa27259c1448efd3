"""Bits by layer, and bits that change in training."""

import csv

import keras
import numpy as np
import pytest

import qrobust
from qrobust import layers
from qrobust.callbacks import BitWidthSchedule
from qrobust.quantization import set_bits
from qrobust.quantization.set_bits import current_bits
from qrobust.training.initialize import initialize
from tflite_export import check_parity, export

L = keras.layers


def float_model():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            L.Rescaling(1 / 256),
            L.Conv2D(4, 3, use_bias=False, name="stem"),
            L.BatchNormalization(),
            L.ReLU(name="stem_relu"),
            layers.JacobianRegularized(L.DepthwiseConv2D(3, activation="relu", name="middle"), 0.1),
            L.GlobalAveragePooling2D(),
            keras.Sequential([keras.Input((4,)), L.Dense(3, name="logits")], name="head"),
        ],
        name="net",
    )
    initialize(model, 0)
    logits = model.get_layer("head").get_layer("logits")
    logits.kernel.assign(logits.kernel * 64)  # well over the logits' grid
    return model


def images(count=32):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 6, 6, 1)).astype("float32"), rng.integers(0, 3, count)


def compiled(model):
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def magnitudes(layer_weights):
    """How many sizes the integer weights of a channel have, zero left out, at most."""
    flat = layer_weights.reshape(len(layer_weights), -1)
    return max(len(np.unique(np.abs(channel[channel != 0]))) for channel in flat)


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_first_pattern_counts(calibrated):
    model = qrobust.quantize(
        float_model(),
        {"stem": 6, "mid*": "ternary", "*": 3},
        {"stem_*": 5, "*": 2},
        calibrate=images()[0] if calibrated else None,
    )
    weights, activations = current_bits(model)
    assert weights == {"stem": 6, "middle": 2, "logits": 3}
    assert activations == {"stem_relu": 5, "middle": 2}
    x, _ = images()
    assert check_parity(model, export(model), x).is_exact


@pytest.mark.parametrize(
    ("weights", "activations", "says"),
    [
        ({"stem": 4, "middel": 4, "*": 4}, 4, "weight_bits: 'middel' matches no layer.*middle"),
        (4, {"relu*": 4, "*": 3}, "activation_bits: 'relu\\*' matches no layer.*stem_relu"),
        ({"stem": 4}, 4, "Layer 'middle' matches no pattern of weight_bits"),
        ({"mid*": 9, "*": 4}, 4, "Layer 'middle'.*bits=9"),
        ({"mid*": "octal", "*": 4}, 4, "Layer 'middle'.*'octal'"),
        (4, {"stem*": "ternary", "*": 4}, "Layer 'stem_relu'.*'ternary'"),
    ],
)
def test_what_does_not_fit_is_named(weights, activations, says):
    with pytest.raises(ValueError, match=says):
        qrobust.quantize(float_model(), weights, activations)


def test_bits_can_be_set_later(tmp_path):
    model, x = qrobust.quantize(float_model(), 6, 6), images()[0]
    before = model.predict(x, verbose=0)
    set_bits(model, weight_bits={"middle": 3, "logits": "ternary"}, activation_bits={"middle": 2})
    assert current_bits(model) == (
        {"stem": 6, "middle": 3, "logits": 2},
        {"stem_relu": 6, "middle": 2},
    )
    after = model.predict(x, verbose=0)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, model(x, training=False))
    assert check_parity(model, export(model), x).is_exact
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert current_bits(loaded) == current_bits(model)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), after)


@pytest.mark.thorough
def test_a_schedule_lowers_bits_under_plain_fit(tmp_path):
    model = compiled(qrobust.quantize(float_model(), 8, 8))
    x, y = images()
    schedule = BitWidthSchedule({0: 6, 1: 4, 2: 2}, activation_bits={1: {"stem*": 4, "*": 3}})
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = model.fit(
        x, y, epochs=3, verbose=0, callbacks=[schedule, log], validation_data=(x, y)
    ).history
    assert history["weight_bits"] == [6, 4, 2]
    assert history["activation_bits"] == [8, 3.5, 3.5]
    with open(tmp_path / "log.csv") as file:
        assert [row["weight_bits"] for row in csv.DictReader(file)] == ["6.0", "4.0", "2.0"]
    assert int(model.optimizer.iterations) == 3
    # What was trained and evaluated last, and is exported, has the final bits.
    exported = export(model)
    stem, middle, *_ = (o for o in exported.graph.operators if hasattr(o, "weights"))
    assert magnitudes(stem.weights) == 1
    assert magnitudes(np.moveaxis(middle.weights, -1, 0)) == 1
    assert check_parity(model, exported, x).is_exact
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(loss(y, model(x, training=False)))
    np.testing.assert_allclose(history["val_loss"][-1], expected, rtol=1e-5)


@pytest.mark.thorough
def test_a_resumed_schedule_knows_where_it_is():
    model = compiled(qrobust.quantize(float_model(), 8, 8))
    x, y = images()
    schedule = BitWidthSchedule({0: 8, 10: 4, 20: "ternary"})
    model.fit(x, y, initial_epoch=15, epochs=16, verbose=0, callbacks=[schedule])
    assert set(current_bits(model)[0].values()) == {4}


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("first", [True, False])
def test_best_weights_of_other_bits_are_refused(first):
    model = compiled(qrobust.quantize(float_model(), 8, 8))
    x, y = images()

    def fit(**options):
        stopping = keras.callbacks.EarlyStopping("loss", restore_best_weights=True, **options)
        schedule = BitWidthSchedule({0: 6, 1: 4})
        callbacks = [schedule, stopping] if first else [stopping, schedule]
        model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks)

    with pytest.raises(ValueError, match=r"EarlyStopping.*start_from_epoch=1"):
        fit()
    fit(start_from_epoch=1)
    assert set(current_bits(model)[0].values()) == {4}


def test_impossible_changes_leave_the_model_alone():
    model = qrobust.quantize(float_model(), 4, 4)
    before = current_bits(model)
    for options, says in (
        ({"weight_bits": 2, "activation_bits": {"nowhere": 3}}, "'nowhere' matches no layer"),
        ({"weight_bits": {"stem": 3, "logits": 12}}, "Layer 'logits'.*bits=12"),
        ({"weight_bits": "stochastic_ternary"}, "cannot be switched on later"),
    ):
        with pytest.raises(ValueError, match=says):
            set_bits(model, **options)
        assert current_bits(model) == before
    with pytest.raises(ValueError, match="'net' has no quantizers that weight_bits"):
        set_bits(float_model(), weight_bits=4)
    with pytest.raises(ValueError, match="Received"):
        BitWidthSchedule({})


def test_wrapped_models_are_quantized_inside():
    for wrapper in (layers.Consistency, layers.SmoothAdversarial, layers.Macer):
        inner = keras.Sequential(
            [keras.Input((4,)), layers.GridNoise(9), L.Rescaling(1 / 256), L.Dense(3, name="fc")],
            name="inner",
        )
        inputs = keras.Input((4,))
        model = qrobust.quantize(keras.Model(inputs, wrapper(inner, 2.0)(inputs)), {"fc": 3})
        assert current_bits(model)[0] == {"fc": 3}
        assert isinstance(model.layers[-1], wrapper)
        x = np.random.default_rng(0).integers(0, 256, (16, 4)).astype("float32")
        assert check_parity(model, export(model), x).is_exact
