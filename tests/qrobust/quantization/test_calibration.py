"""Calibration takes what ``predict`` takes, and notices other units."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import qrobust
from qrobust import layers
from tflite_export import check_parity, export

L = keras.layers
X = np.random.default_rng(0).integers(0, 256, (64, 6)).astype("float32")


def model(*first):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="x")
    y = inputs
    for layer in first:
        y = layer(y)
    return keras.Model(inputs, L.Dense(3)(L.Dense(8, activation="relu")(y)))


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "data",
    [
        lambda: tf.data.Dataset.from_tensor_slices(X).batch(16),
        lambda: tf.data.Dataset.from_tensor_slices((X, np.zeros(64))).batch(7).repeat(),
        lambda: {"x": X},
        lambda: [X],
        lambda: X.tolist(),
        lambda: (X[i : i + 8] for i in range(0, 64, 8)),
    ],
)
def test_every_form_gives_the_same_twin(data):
    float_model = model(L.Rescaling(1 / 256))
    expected = qrobust.quantize(float_model, calibrate=X).predict(X, verbose=0)
    # The endless data set gives its 64 examples eight times, and so the same ranges.
    twin = qrobust.quantize(float_model, calibrate=data())
    np.testing.assert_array_equal(twin.predict(X, verbose=0), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_finite_numbers_are_refused(bad):
    x = X.copy()
    x[3, 2] = bad
    with pytest.raises(ValueError, match="calibrate holds NaN or infinity"):
        qrobust.quantize(model(), calibrate=x)


def test_other_units_are_refused_and_stated_ones_go_into_the_twin():
    unit = X / 255
    with pytest.raises(ValueError, match='calibrate hold 0 to 1.*Pass input_grid="unit"'):
        qrobust.quantize(model(), calibrate=unit)
    for grid in ("unit", "data"):
        twin = qrobust.quantize(model(), 6, 8, calibrate=unit, input_grid=grid)
        exported = export(twin, inputs=unit)
        assert exported.parity.is_exact and "(unit)" in str(exported.report)
    noisy = model(layers.GridNoise(8))
    with pytest.raises(ValueError, match="its own"):
        qrobust.quantize(noisy, calibrate=unit)
    with pytest.raises(ValueError, match="make them equal"):
        qrobust.quantize(noisy, input_grid="unit")


@pytest.mark.thorough
@pytest.mark.parametrize("power", [-40, -14, 9])
def test_units_do_not_matter_at_any_power_of_two(power):
    """Biases and weights of a head in other units lose nothing."""

    def error(scale):
        float_model = model(L.Rescaling(1 / 256))
        head = float_model.layers[-1]
        head.set_weights([head.get_weights()[0] * scale, np.array([1.0, -2.0, 0.7]) * scale])
        twin = qrobust.quantize(float_model, 6, 8, calibrate=X)
        assert check_parity(twin, export(twin), X, on=[]).is_exact
        a, b = float_model.predict(X, verbose=0), twin.predict(X, verbose=0)
        return np.sqrt(np.mean((a - b) ** 2)) / np.sqrt(np.mean(a**2))

    assert error(2.0**power) < error(1.0) + 0.01
