"""The consistency loss against its definition, computed with SciPy."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from qrobust import layers, quantize
from tflite_export import check_parity, export

L = keras.layers


def noisy_model(seed=3):
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.GridNoise(40, seed=seed),
            L.Rescaling(1 / 256),
            L.Dense(4, kernel_initializer=keras.initializers.GlorotNormal(1)),
        ],
        name="net",
    )
    return model


@pytest.mark.parametrize("copies", [2, 3])
def test_the_whole_loss_is_the_papers(copies):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (6, 5)).astype("float32"), rng.integers(0, 4, 6)
    wrapped = layers.Consistency(noisy_model(), weight=7.0, copies=copies, entropy=0.5)
    outputs = wrapped(x, training=True)
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    total = float(crossentropy(y, outputs)) + float(wrapped.losses[0])

    # The same noise: another model with the same seeds sees the same copies.
    logits = np.asarray(noisy_model()(np.concatenate([x] * copies), training=True), np.float64)
    logits = logits.reshape(copies, 6, 4)
    p = softmax(logits, axis=-1)
    mean = p.mean(axis=0)
    cross = -log_softmax(logits, axis=-1)[:, np.arange(6), y].mean()
    divergence = (mean * (np.log(mean) - np.log(p))).sum(-1).mean()
    entropy = -(mean * np.log(mean)).sum(-1).mean()
    np.testing.assert_allclose(total, cross + 7.0 * divergence + 0.5 * entropy, rtol=1e-4)
    assert divergence > 1e-3


def test_it_trains_saves_quantizes_and_vanishes(tmp_path):
    inner = quantize(noisy_model(), 4, 4)
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Consistency(inner, weight=5.0)(inputs))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).integers(0, 256, (64, 5)).astype("float32")
    model.fit(x, np.zeros(64), epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), inner.predict(x, verbose=0))
    assert check_parity(loaded, export(loaded), x).is_exact


@pytest.mark.parametrize("options", [{"weight": -1}, {"weight": 1, "copies": 1}])
def test_bad_arguments_are_echoed(options):
    with pytest.raises(ValueError, match="Received"):
        layers.Consistency(noisy_model(), **options)
