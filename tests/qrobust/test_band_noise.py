import keras
import numpy as np
import pytest

from qrobust import layers, quantize
from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.smoothings.bands import band_views, block_views, encode
from tflite_export import export

L = keras.layers


def encoded(x):
    return np.stack([encode(image, np.ones(image.shape[:2], bool), 255) for image in x])


@pytest.mark.parametrize(("blocks", "views"), [(False, band_views), (True, block_views)])
@pytest.mark.parametrize(("band", "exponent", "minimum"), [(1, 0, 0), (3, -8, 0), (4, 0, -128)])
def test_every_view_is_the_devices_integer_for_integer(blocks, views, band, exponent, minimum):
    x = np.random.default_rng(band).integers(0, 256, (2, 4, 5, 3))
    layer = layers.BandNoise(band, blocks=blocks, exponent=exponent, minimum=minimum)
    inputs = ((encoded(x) + minimum) * 2.0**exponent).astype("float32")
    expected = [views(image, band, 255) for image in x]
    assert layer.views((4, 5, 6)) == len(expected[0])
    for place in range(len(expected[0])):
        shown = np.asarray(layer.shown(keras.ops.convert_to_tensor(inputs), np.full(2, place)))
        for image, all_views in zip(shown, expected, strict=True):
            assert np.array_equal(image * 2.0**-exponent - minimum, all_views[place])


def test_each_picture_of_each_call_has_a_place_of_its_own():
    x = encoded(np.full((60, 4, 5, 1), 9)).astype("float32")
    layer = layers.BandNoise(2, seed=3)
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert len({row.tobytes() for row in first}) == 5
    assert not np.array_equal(first, second)
    assert np.array_equal(layer(x, training=False), x)


@pytest.mark.parametrize(
    ("band", "shape", "words"),
    [
        (0, (4, 5, 2), "whole number"),
        (2.0, (4, 5, 2), "whole number"),
        (5, (4, 5, 2), "shows 5 pixels of 4 x 5"),
        (2, (4, 5, 3), "even number of channels"),
        (2, (20,), "even number of channels"),
        (2, (None, 5, 2), "whole shape"),
    ],
)
def test_impossible_bands_are_refused(band, shape, words):
    with pytest.raises(ValueError, match=words):
        keras.Sequential([keras.Input(shape), layers.BandNoise(band)])


@pytest.mark.thorough
def test_fit_save_export_certify(tmp_path):
    """The file takes 2 C channels, the certifier pictures of C; training saw the same views."""
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    x = np.where(y[:, None, None, None], 200, 40) + rng.integers(0, 40, (60, 4, 4, 1))
    pairs = encoded(x).astype("float32")
    keras.utils.set_random_seed(5)
    model = quantize(
        keras.Sequential(
            [
                keras.Input((4, 4, 2)),
                layers.BandNoise(1, seed=1),
                L.Rescaling(1 / 256),
                L.Flatten(),
                L.Dense(8, activation="relu"),
                L.Dense(2),
            ]
        )
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(pairs, y, epochs=20, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert [layer.get_config() for layer in again.layers if "band" in layer.name] == [
        layer.get_config() for layer in model.layers if "band" in layer.name
    ]
    tflite = export(model).tflite
    file = attach_spec(tflite, SmoothingSpec.for_views(tflite, "bands", 1))
    with Certifier(file, threads=1) as certifier:
        certificates = [certifier.certify(image, y=int(c)) for image, c in zip(x, y, strict=True)]
    assert all(c.norm == "patch" and c.n == 4 for c in certificates)
    assert np.mean([c.correct and c.radius >= 1 for c in certificates]) > 0.5
