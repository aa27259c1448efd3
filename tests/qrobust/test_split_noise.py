import keras
import numpy as np
import pytest

from qrobust import layers, quantize
from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.smoothings.splits import Splits
from tflite_export import export

L = keras.layers


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("splits", "exponent", "minimum"), [(1, 0, 0), (7, 0, 0), (300, -8, 0), (64, -7, -128)]
)
def test_every_split_is_the_devices_integer_for_integer(splits, exponent, minimum):
    rng = np.random.default_rng(splits)
    x = rng.integers(0, 256, (3, 4, 5, 2))
    x[0].flat[:2] = 0, 255
    expected = Splits(splits, 40, 255)
    layer = layers.SplitNoise(splits, exponent=exponent, minimum=minimum)
    inputs = keras.ops.convert_to_tensor(((x + minimum) * 2.0**exponent).astype("float32"))
    for split in range(splits):
        shown = np.asarray(layer.shown(inputs, np.full(3, split, np.int32)))
        integers = shown * 2.0**-exponent - minimum
        for image, got in zip(x, integers, strict=True):
            assert np.array_equal(expected.shown(image.ravel(), split, split + 1)[0], got.ravel())


def test_each_image_of_each_call_has_a_split_of_its_own():
    layer = layers.SplitNoise(16, seed=3)
    x = np.full((40, 9), 100, "float32")
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    possible = {row.tobytes() for row in Splits(16, 9, 255).shown(x[0].astype(int))}
    for drawn in (first, second):
        rows = {row.astype(np.int64).tobytes() for row in drawn}
        assert 5 < len(rows) and rows <= possible
    assert not np.array_equal(first, second)
    again = np.asarray(layers.SplitNoise(16, seed=3)(x, training=True))
    assert np.array_equal(first, again)


def test_splits_are_the_identity_in_inference():
    x = np.random.default_rng(0).integers(0, 256, (4, 5)).astype("float32")
    assert np.array_equal(layers.SplitNoise(30)(x, training=False), x)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"splits": 0}, "must lie in"),
        ({"splits": 1 << 17}, "must lie in"),
        ({"splits": 2.5}, "whole number"),
        ({"splits": True}, "whole number"),
        ({"splits": 4, "minimum": 1}, "minimum lies in"),
    ],
)
def test_impossible_splits_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        layers.SplitNoise(**arguments)


def network():
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.SplitNoise(48, seed=1),
            L.Rescaling(1 / 256),
            L.Flatten(),
            L.Dense(8, activation="relu"),
            L.Dense(3),
        ]
    )


def test_it_survives_saving(tmp_path):
    model = network()
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.layers[0].get_config() == model.layers[0].get_config()


def test_fit_quantize_export_certify():
    """Trained by plain fit, the layer is gone at export and the file counts what training saw."""
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    x = rng.integers(0, 60, (90, 4, 4, 1)).astype("float32")
    x[np.arange(90), y] += 150
    keras.utils.set_random_seed(5)
    model = quantize(network(), weight_bits=4, activation_bits=4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, epochs=12, verbose=0)
    tflite = export(model).tflite
    spec = SmoothingSpec.for_views(tflite, "splits", 48)
    with Certifier(attach_spec(tflite, spec), threads=1) as certifier:
        certificates = [certifier.certify(image, y=int(c)) for image, c in zip(x, y, strict=True)]
        shown = certifier.copies(x[0], 48).reshape(48, 16)
        assert np.array_equal(shown, Splits(48, 16, 255).shown(x[0].ravel().astype(int)))
    assert all(sum(c.votes) == c.n == 48 and c.alpha == "0" for c in certificates)
    assert np.mean([c.correct and c.radius >= 5 for c in certificates]) > 0.5
