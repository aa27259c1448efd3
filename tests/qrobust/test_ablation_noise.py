import keras
import numpy as np
import pytest

from qrobust import layers, quantize
from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.smoothings.bands import encode
from qrobust.certify.smoothings.subsets import subset_views
from tflite_export import export

L = keras.layers


def encoded(x):
    return np.stack([encode(image, np.ones(image.shape[:2], bool), 255) for image in x])


@pytest.mark.parametrize(("subsets", "exponent", "minimum"), [(1, 0, 0), (7, -8, 0), (20, 0, -128)])
def test_every_view_is_the_devices_integer_for_integer(subsets, exponent, minimum):
    x = np.random.default_rng(subsets).integers(0, 256, (2, 4, 5, 3))
    layer = layers.AblationNoise(subsets, exponent=exponent, minimum=minimum)
    inputs = ((encoded(x) + minimum) * 2.0**exponent).astype("float32")
    expected = [subset_views(image, subsets, 255) for image in x]
    assert layer.views((4, 5, 6)) == subsets
    for place in range(subsets):
        shown = np.asarray(layer.shown(keras.ops.convert_to_tensor(inputs), np.full(2, place)))
        for image, all_views in zip(shown, expected, strict=True):
            assert np.array_equal(image * 2.0**-exponent - minimum, all_views[place])


@pytest.mark.parametrize(
    ("subsets", "shape", "words"),
    [
        (0, (4, 5, 2), "whole number"),
        (2.0, (4, 5, 2), "whole number"),
        (21, (4, 5, 2), "1 to 20 subsets, not 21"),
        (2, (4, 5, 3), "even number of channels"),
    ],
)
def test_impossible_subsets_are_refused(subsets, shape, words):
    with pytest.raises(ValueError, match=words):
        keras.Sequential([keras.Input(shape), layers.AblationNoise(subsets)])


@pytest.mark.thorough
def test_fit_save_export_certify(tmp_path):
    """Trained on subsets, the file certifies pictures of C channels against changed pixels."""
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    x = np.where(y[:, None, None, None], 200, 40) + rng.integers(0, 40, (60, 4, 4, 1))
    keras.utils.set_random_seed(5)
    noise = layers.AblationNoise(5, seed=1)
    body = [L.Rescaling(1 / 256), L.Flatten(), L.Dense(8, activation="relu"), L.Dense(2)]
    model = quantize(keras.Sequential([keras.Input((4, 4, 2)), noise, *body]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(encoded(x).astype("float32"), y, epochs=20, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.layers[0].get_config() == model.layers[0].get_config()
    tflite = export(model).tflite
    file = attach_spec(tflite, SmoothingSpec.for_views(tflite, "ablation", 5))
    with Certifier(file, threads=1) as certifier:
        certificates = [certifier.certify(image, y=int(c)) for image, c in zip(x, y, strict=True)]
    assert all(c.norm == "l0" and c.n == 5 and c.alpha == "0" for c in certificates)
    assert np.mean([c.correct and c.radius >= 2 for c in certificates]) > 0.5
