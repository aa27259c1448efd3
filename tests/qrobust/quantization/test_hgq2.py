"""HGQ2's layers: exact where an activation has one grid, adopted where it has many."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust.quantization.adopt import Adopted
from tflite_export import ExportError, check_parity, export

hgq = pytest.importorskip("hgq", reason="hgq2 is not installed")
from hgq.config import QuantizerConfigScope  # noqa: E402
from hgq.layers import QAdd, QConv2D, QDense, QEinsumDense  # noqa: E402

L = keras.layers
X = np.random.default_rng(0).uniform(-1, 1, (300, 8, 8, 2)).astype(np.float32)
ONE = {"homogeneous_axis": (0, 1, 2, 3), "heterogeneous_axis": None}
FLAT = {"homogeneous_axis": (0, 1), "heterogeneous_axis": None}


def network(*, many=False, mode="SAT", rounding="RND"):
    """A convolution, a sum and a dense layer, with bits of its own for every weight."""
    keras.utils.set_random_seed(1)
    options = {"place": "datalane", "q_type": "kif", "overflow_mode": mode, "round_mode": rounding}
    inputs = keras.Input((8, 8, 2))
    with QuantizerConfigScope(**options, **({} if many else ONE)):
        x = QConv2D(4, 3, activation="relu", padding="same")(inputs)
        y = QConv2D(4, 1)(x)
        x = L.Flatten()(QAdd()([x, y]))
    with QuantizerConfigScope(**options, **({} if many else FLAT)):
        x = QDense(5)(x)
    model = keras.Model(inputs, x)
    if many:
        spread(model)
    model(X[:2])
    return model


def spread(model):
    """Give activations and weights different fractions, as training does."""
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if weight.path.rsplit("/", 1)[-1] == "f":
            weight.assign(np.asarray(weight) - rng.integers(0, 3, weight.shape))


def predicted(model, adopted: Adopted):
    return [m.predict(X, verbose=0) for m in (model, adopted.model)]


def test_one_grid_is_exact():
    model = network()
    with pytest.raises(ExportError, match=r"of HGQ2.*qrobust\.adopt"):
        export(model)
    adopted = qrobust.adopt(model, X, input_grid="data")
    assert "many grids" not in str(adopted)
    assert check_parity(adopted.model, export(adopted.model), X).is_exact
    before, after = predicted(model, adopted)
    step = [la for la in adopted.model.layers if type(la).__name__ == "QActivation"][-1]
    assert np.abs(before - after).max() <= 8 * step.activation.grid().step


def test_many_grids_become_the_finest():
    model = network(many=True)
    adopted = qrobust.adopt(model, X, input_grid="data")
    assert "many grids" in str(adopted)
    assert check_parity(adopted.model, export(adopted.model), X).is_exact
    before, after = predicted(model, adopted)
    same = np.mean(before.argmax(-1) == after.argmax(-1))
    assert same >= 0.9


def dense_with_dropped_inputs():
    inputs = keras.Input((6,))
    with QuantizerConfigScope(place="datalane", q_type="kif", overflow_mode="SAT"):
        layer = QDense(4)
    model = keras.Model(inputs, layer(inputs))
    (fraction,) = (w for w in layer.iq.quantizer.weights if w.path.rsplit("/", 1)[-1] == "f")
    values = np.asarray(fraction).copy()
    values[..., 2] = -9.0
    fraction.assign(values)
    return model


def test_inputs_that_are_dropped_stay_dropped():
    model, x = dense_with_dropped_inputs(), X[:, 0, :3].reshape(300, 6)
    moved = x + np.eye(6, dtype=np.float32)[2]
    np.testing.assert_array_equal(model(x), model(moved))
    adopted = qrobust.adopt(model, x, input_grid="data").model
    np.testing.assert_array_equal(adopted(x), adopted(moved))
    assert check_parity(adopted, export(adopted), x).is_exact


def test_other_roundings_and_layers_are_refused_by_name():
    with pytest.raises(ValueError, match=r"rounds by 'TRN'.*round_mode='RND'"):
        qrobust.adopt(network(rounding="TRN"), X, input_grid="data")
    inputs = keras.Input((8, 2))
    model = keras.Model(inputs, QEinsumDense("abc,cd->abd", (8, 3))(inputs))
    with pytest.raises(ValueError, match=r"QEinsumDense of HGQ2.*Build that part"):
        qrobust.adopt(model, X[:, 0], input_grid="data")
