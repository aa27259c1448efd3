import keras
import numpy as np
import pytest

import qrobust
from qrobust import architectures, layers
from qrobust.quantization.ranges import _thinned, integer_bits
from tflite_export import check_parity, export

L = keras.layers


def trained_looking(model, seed=0):
    """Random weights with the batch norm statistics of a trained network."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind == "moving_variance":
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif kind == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


def pixels(model, count):
    return np.random.default_rng(0).integers(0, 256, (count, *model.input_shape[1:]))


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("make", [architectures.resnet8, architectures.ds_cnn])
def test_a_network_exports_bit_for_bit(make, calibrated):
    model = trained_looking(make())
    images = pixels(model, 40)
    twin = qrobust.quantize(model, 4, 4, calibrate=images if calibrated else None)
    parity = check_parity(twin, export(twin), images)
    assert parity.is_exact, str(parity)


@pytest.mark.thorough
def test_weights_and_names_stay():
    model = trained_looking(architectures.resnet8())
    twin = qrobust.quantize(model, 8, 8, calibrate=pixels(model, 64))
    names = {layer.name for layer in twin.layers}
    assert {"stem_conv", "stage2_shortcut_conv", "logits"} <= names
    assert "stem_bn" not in names
    images = pixels(model, 64)
    expected, ours = model.predict(images, verbose=0), twin.predict(images, verbose=0)
    # 8 bits are near enough that the logits agree closely, whatever the weights.
    assert np.corrcoef(expected.ravel(), ours.ravel())[0, 1] > 0.99


@pytest.mark.thorough
def test_wrappers_nested_models_and_softmax():
    inner = keras.Sequential(
        [keras.Input((4,)), L.Dense(5, activation="relu"), L.Dense(3)], name="head"
    )
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.GridNoise(10, seed=0),
            L.Rescaling(1 / 256),
            layers.JacobianRegularized(L.Conv2D(4, 3, activation="relu", name="conv"), 0.1),
            L.GlobalAveragePooling2D(),
            layers.JacobianRegularized(inner, 0.1),
            L.Softmax(),
        ]
    )
    trained_looking(model)
    twin = qrobust.quantize(model, "ternary", 3)
    images = pixels(model, 50)
    parity = check_parity(twin, export(twin), images)
    assert parity.is_exact, str(parity)
    kinds = [type(layer).__name__ for layer in twin.layers]
    assert kinds.count("JacobianRegularized") == 2
    assert "IntegerGlobalAveragePooling2D" not in kinds  # 16 values: a power of two
    twin.compile("adam", "sparse_categorical_crossentropy")
    twin.fit(images, np.zeros(50), verbose=0)


def test_it_trains_saves_and_still_exports(tmp_path):
    keras_model = qrobust.quantize(architectures.digits_cnn(width=4), 3, 4)
    data = qrobust.datasets.digits()
    keras_model.compile(
        keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(True)
    )
    keras_model.fit(data.train.x.astype("float32"), data.train.y, epochs=2, verbose=0)
    keras_model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    exported = export(loaded)
    assert exported.tflite == export(keras_model).tflite
    assert check_parity(loaded, exported, data.test.x[:100]).is_exact


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: [L.Dense(3, activation="selu", name="fc")], "Layer 'fc'.*selu"),
        (lambda: [L.LayerNormalization(name="norm")], "Layer 'norm'.*no quantized twin"),
        (lambda: [L.BatchNormalization(axis=1, name="bn"), L.Dense(2)], "Layer 'bn'"),
        (lambda: [L.Dense(2), L.ReLU(threshold=0.1, name="above")], "Layer 'above'"),
    ],
)
def test_what_has_no_twin_is_named(build, says):
    with pytest.raises(ValueError, match=says):
        qrobust.quantize(keras.Sequential([keras.Input((4, 3)), *build()]))


@pytest.mark.parametrize("bits", [1, 9, "octal"])
def test_bad_bits_are_echoed(bits):
    model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    with pytest.raises(ValueError, match=f"{bits}"):
        qrobust.quantize(model, weight_bits=bits)


def test_ranges_cover_what_is_there_and_clip_what_is_rare():
    rng = np.random.default_rng(0)
    assert integer_bits(rng.uniform(0, 0.99, 1000), 8, signed=False) == 0
    assert integer_bits(rng.uniform(-3.9, 3.9, 1000), 8, signed=True) == 2
    outlier = np.append(rng.uniform(0, 1, 10_000), 9.0)
    assert integer_bits(outlier, 4, signed=False) < 4
    assert integer_bits(np.zeros(3), 4, signed=False) == 0


def test_a_linear_activation_clips_nothing():
    inputs = keras.Input((4, 4, 1))
    bias = keras.initializers.Constant(-3)
    y = L.Conv2D(2, 1, kernel_initializer="zeros", bias_initializer=bias)(inputs)
    y = L.GlobalAveragePooling2D()(L.Activation("linear")(y))
    y = L.Dense(1, kernel_initializer="ones")(y)
    model = keras.Model(inputs, y)
    images = np.zeros((2, 4, 4, 1))
    np.testing.assert_array_equal(model.predict(images, verbose=0), -6)
    twin = qrobust.quantize(model, 4, 4)
    np.testing.assert_array_equal(twin.predict(images, verbose=0), -6)
    assert check_parity(twin, export(twin), images).is_exact


def test_nested_and_wrapped_models_are_calibrated_like_any_other():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((4,)), layers.GridNoise(1), L.Dense(5, activation="relu"), L.Dense(3)],
        name="inner",
    )
    data = np.random.default_rng(0).integers(0, 256, (64, 4)).astype("float32")
    inputs = keras.Input((4,))
    outer = keras.Model(inputs, layers.Consistency(inner, 1.0)(inputs))
    plain = qrobust.quantize(inner, 4, 4, calibrate=data)
    wrapped = qrobust.quantize(outer, 4, 4, calibrate=data)
    expected = plain.predict(data, verbose=0)
    np.testing.assert_array_equal(wrapped.predict(data, verbose=0), expected)
    assert np.abs(expected).max() > 16  # the default range would have clipped


def test_calibration_looks_at_every_channel():
    values = np.tile(np.arange(64), 10_000)
    assert set(_thinned(values)) == set(range(64))
