"""Outputs without a trace: those of ``model.predict``, whatever the number of batches."""

import keras
import numpy as np
import pytest

from tflite_export.predict import outputs_of


@pytest.mark.parametrize("examples", [1, 128, 130])
def test_outputs_are_those_of_predict(examples):
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    joined = keras.layers.Concatenate()([a, b])
    noisy = keras.layers.Dropout(0.5)(joined)  # in inference: nothing
    model = keras.Model([a, b], [keras.layers.Dense(4)(noisy), joined])
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(examples, width)).astype(np.float32) for width in (3, 2)]
    found, wanted = outputs_of(model, arrays), model.predict(arrays, verbose=0)
    assert len(found) == 2
    np.testing.assert_array_equal(found[1], np.concatenate(arrays, axis=1))
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
