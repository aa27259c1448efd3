"""A network by its name: as a string or as a path."""

import keras
import numpy as np
import pytest

from qrobust.load_keras import load_keras


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_name_may_be_a_string(kind, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    x = np.ones((1, 3), np.float32)
    assert np.array_equal(load_keras(kind(tmp_path / "model.keras"))(x), model(x))


@pytest.mark.parametrize("name", ["none.keras", "none.h5", "none"])
def test_a_string_that_names_nothing_is_refused_by_name(name, tmp_path):
    with pytest.raises(ValueError, match="is not a file"):
        load_keras(str(tmp_path / name))
