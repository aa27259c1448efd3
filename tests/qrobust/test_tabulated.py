"""Functions of one value as tables: exact rounding, gradients, every runtime, saving, bounds."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf
from exact_models import L, Q, assert_exact, random_inputs, randomized, sequence, wide

import qrobust
from qrobust.layers.interval_arithmetic import Ends, propagate
from qrobust.quantizers import OfOneValue, QuantizedBits, QuantizedRelu, Tabulated
from qrobust.quantizers.of_one_value import known_functions
from tflite_export import ExportError, check_parity, export
from tflite_export.graph import Table
from tflite_export.logits import logits_model

SOURCE, TARGET = QuantizedBits(8, 3), QuantizedBits(6, 2)
SLOPES = [0.25, 0.0, 0.7, -0.3]
#: Keras's own functions, by the names that tables have.
KERAS = {
    **{n: getattr(keras.activations, n) for n in known_functions()},
    "leaky_relu": lambda x: keras.activations.leaky_relu(x, 0.2),
}


@pytest.mark.parametrize("name", known_functions())
def test_every_entry_is_the_function_rounded_half_up(name):
    steps = np.arange(-128, 128) / 16
    with np.errstate(over="ignore"):
        exact = np.asarray(KERAS[name](tf.constant(steps, tf.float64)))
    wanted = np.clip(np.floor(exact * 8 + 0.5), -32, 31) / 8
    given = np.asarray(Tabulated(name, SOURCE, TARGET)(steps.astype("float32")))
    # Keras holds slopes in float32, so that a tie may fall to either side.
    tied = np.abs(exact * 8 + 0.5 - np.rint(exact * 8 + 0.5)) < 1e-6
    np.testing.assert_array_equal(given[~tied], wanted[~tied])
    assert np.abs(given - wanted).max() <= 1 / 8
    assert len(np.unique(given)) > 4


@pytest.mark.parametrize("name", known_functions())
def test_the_gradient_is_the_functions_and_none_where_a_quantizer_clips(name):
    x = tf.constant([-9.0, -1.3125, -0.5, 0.5625, 1.25, 9.0])
    function = Tabulated(name, SOURCE, QuantizedBits(8, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, plain = function(x), KERAS[name](x)
    given, wanted = (np.asarray(tape.gradient(v, x)) for v in (y, plain))
    np.testing.assert_allclose(given[1:-1], wanted[1:-1], rtol=1e-5, atol=1e-6)
    assert given[0] == given[-1] == 0


@pytest.mark.thorough
def test_every_table_exports_to_every_runtime():
    inputs = keras.Input((5, 2))
    x = L.Rescaling(1 / 256)(inputs)
    branches = [
        qkeras.QConv1D(3, 2, activation=Tabulated(name, SOURCE, TARGET), **Q)(x)
        for name in known_functions()
    ]
    y = qkeras.QActivation(Tabulated("silu", QuantizedBits(8, 2), TARGET))(branches[0])
    joined = L.Flatten()(L.Concatenate()([*branches, y]))
    outputs = [wide()(qkeras.QDense(3, **Q)(joined)), joined]
    exported = assert_exact(randomized(keras.Model(inputs, outputs)))
    count = sum(isinstance(o, Table) for o in exported.graph.operators)
    assert count == len(branches) + 1


def test_slopes_by_channel_have_a_row_each_and_survive_saving(tmp_path):
    model = sequence(
        (5, 5, 2),
        qkeras.QConv2D(4, 3, **Q),
        qkeras.QActivation(Tabulated(OfOneValue("leaky_relu", SLOPES), SOURCE, TARGET)),
        qkeras.QDense(3, **Q),
        wide(),
    )
    exported = assert_exact(model)
    (table,) = (o for o in exported.graph.operators if isinstance(o, Table))
    assert table.entries.shape == (4, 256)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert check_parity(again, exported, random_inputs(model)).is_exact
    rows = (np.asarray(m.layers[2].activation._values) for m in (model, again))
    np.testing.assert_array_equal(*rows)


FLOAT = {
    "LeakyReLU": L.LeakyReLU,
    "ReLU with a slope": lambda: L.ReLU(negative_slope=0.125),
    "ELU": lambda: L.ELU(0.5),
    "PReLU": lambda: L.PReLU(shared_axes=[1, 2], alpha_initializer="normal"),
    "keyword": lambda: L.Conv2D(4, 3, activation="silu"),
    "depthwise keyword": lambda: L.DepthwiseConv2D(3, activation="hard_swish"),
    "separable keyword": lambda: L.SeparableConv2D(4, 3, activation="gelu"),
    "gate inside": lambda: L.Activation("sigmoid"),
    "behind a norm": lambda: keras.Sequential([L.BatchNormalization(), L.Activation("mish")]),
    "in a sum": lambda: keras.Sequential([L.Conv2D(4, 3, activation="softplus"), L.ReLU(6.0)]),
}


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("kind", FLOAT)
def test_quantize_makes_tables_that_compute_the_function(kind):
    model = keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            L.Conv2D(4, 3),
            FLOAT[kind](),
            L.Conv2D(4, 2, activation="tanh"),
            L.Flatten(),
            L.Dense(3, activation="sigmoid"),
        ]
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path else -0.5
        weight.assign(rng.uniform(low, 0.6, weight.shape))
    x = rng.random((64, 9, 9, 2)).astype("float32")
    twin = qrobust.quantize(model, 6, 8, calibrate=x, input_grid="unit")
    exported = export(twin)
    assert check_parity(twin, exported, x).is_exact
    assert any(isinstance(o, Table) for o in exported.graph.operators)
    wanted, given = (logits_model(m).predict(x, verbose=0) for m in (model, twin))
    assert np.corrcoef(wanted.ravel(), given.ravel())[0, 1] > 0.95


@pytest.mark.thorough
def test_residual_sums_of_tables_are_exact():
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", activation="silu")(inputs)
    y = L.Conv2D(4, 3, padding="same", activation="tanh")(x)
    z = L.Activation("gelu")(L.Add()([x, y]))
    model = keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(z)))
    data = np.random.default_rng(0).random((64, 8, 8, 3)).astype("float32")
    for equal in (False, True):
        options = {"calibrate": data, "input_grid": "unit", "equal_steps": equal}
        twin = qrobust.quantize(model, 4, 4, **options)
        assert check_parity(twin, export(twin), data).is_exact


def test_slopes_from_place_to_place_are_refused():
    model = keras.Sequential([keras.Input((4, 4, 2)), L.PReLU(alpha_initializer="normal")])
    with pytest.raises(ValueError, match=r"PReLU.*shared_axes=\[1, 2\]"):
        qrobust.quantize(model)


def test_an_unknown_function_and_a_parameter_too_many_are_echoed():
    with pytest.raises(ValueError, match="Received: 'sine'"):
        OfOneValue("sine")
    with pytest.raises(ValueError, match="Received: 2"):
        OfOneValue("tanh", 2)


class Lying(Tabulated):
    """Says that it reads one grid and reads a finer one."""

    def __call__(self, x):
        return Tabulated(self.function, QuantizedBits(8, 2), self.target)(x)


def test_a_quantizer_that_is_no_table_of_its_grid_is_refused():
    layer = qkeras.QActivation(Lying("tanh", QuantizedBits(6, 2), TARGET), name="lies")
    with pytest.raises(ExportError, match="'lies'.*no table of its source"):
        export(sequence((6,), qkeras.QDense(3, **Q), layer))


def test_interval_training_takes_tables_that_rise_and_refuses_others():
    def ends(name):
        model = keras.Sequential(
            [keras.Input((3,)), qkeras.QActivation(Tabulated(name, SOURCE, TARGET))]
        )
        box = Ends(tf.constant([[-1.0, 0.0, -4.0]]), tf.constant([[1.0, 2.0, 0.0]]))
        return propagate(model, box)

    assert (np.asarray(ends("tanh").low) <= np.asarray(ends("tanh").high)).all()
    with pytest.raises(ValueError, match="no interval bounds"):
        ends("silu")


def test_the_source_may_be_unsigned():
    model = sequence(
        (6,),
        qkeras.QDense(
            4, activation=Tabulated("tanh", QuantizedRelu(8, 2), QuantizedRelu(8, 0)), **Q
        ),
        qkeras.QDense(3, **Q),
        wide(),
    )
    assert_exact(model)
