"""Operators on Keras tensors, and joins that become sums: the same function, and exact."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust.quantization.operators import without_operators
from tflite_export import check_parity, export

L = keras.layers
X = np.random.default_rng(0).uniform(0, 1, (120, 8, 8, 3)).astype(np.float32)


def conv(x):
    return L.Conv2D(4, 3, padding="same", activation="relu")(x)


OPERATORS = {
    "a + b": lambda x: conv(x) + conv(x),
    "a - b": lambda x: conv(x) - conv(x),
    "x / 2": lambda x: conv(x / 2),
    "3 * x": lambda x: conv(3 * x),
    "x - 0.5": lambda x: conv(x - 0.5),
    "1 - x": lambda x: conv(1 - x),
    "-x": lambda x: conv(-x),
    "x + 1": lambda x: conv(conv(x) + 1.0),
    "Subtract": lambda x: L.Subtract()([conv(x), conv(x)]),
    "Average of 2": lambda x: L.Average()([conv(x), conv(x)]),
    "Average of 3": lambda x: L.Average()([conv(x), conv(x), conv(x)]),
    "Maximum": lambda x: L.Maximum()([conv(x), conv(x), conv(x)]),
    "Minimum": lambda x: L.Minimum()([conv(x), conv(x)]),
    "Minimum of linear ones": lambda x: L.Minimum()([L.Conv2D(4, 3, padding="same")(x), conv(x)]),
}


def model_of(name):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    y = OPERATORS[name](inputs)
    return keras.Model(inputs, L.Dense(5)(L.Flatten()(y)))


@pytest.mark.ordinary(7)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_function_stays(name):
    model = model_of(name)
    plain = without_operators(model)
    kept = name in ("Maximum", "Minimum", "Minimum of linear ones")
    assert (plain is model) == kept
    assert all(isinstance(op, keras.Layer) for op in plain.operations)
    np.testing.assert_allclose(plain(X[:8]), model(X[:8]), rtol=1e-5, atol=1e-5)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_twin_is_exact_on_every_runtime(name):
    twin = qrobust.quantize(model_of(name), 4, 4, calibrate=X, input_grid="unit")
    parity = check_parity(twin, export(twin), X)
    assert parity.is_exact, str(parity)


def test_an_operator_that_is_no_layer_is_refused_by_name():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.Dense(5)(L.Flatten()(conv(inputs) * conv(inputs))))
    with pytest.raises(ValueError, match="'multiply.*no quantized twin"):
        qrobust.quantize(model, calibrate=X, input_grid="unit")


@pytest.mark.parametrize("kind", [L.Subtract, L.Average])
def test_what_an_operator_becomes_keeps_its_name_where_it_is_refused(kind):
    inputs = keras.Input((8, 8, 3))
    mine = kind(name="mine")([conv(inputs), L.Conv2D(4, 8)(inputs)])
    model = keras.Model(inputs, L.Dense(5)(L.Flatten()(mine)))
    with pytest.raises(ValueError, match=r"Layer 'mine': adds \(8, 8, 4\), \(1, 1, 4\)"):
        qrobust.quantize(model)
    # A layer that is called twice becomes two, whose names differ.
    shared = kind(name="mine")
    twice = shared([shared([conv(inputs), conv(inputs)]), conv(inputs)])
    names = [op.name for op in without_operators(keras.Model(inputs, twice)).operations]
    assert names.count("mine") == 1
    assert len(set(names)) == len(names)
