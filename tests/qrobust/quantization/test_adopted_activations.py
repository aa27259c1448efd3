"""Activations of QKeras against what adopt makes of them, away from ties and on devices."""

import keras
import numpy as np
import pytest
import qkeras

import qrobust
from qrobust.quantization.adopted_activations import Form, _check, adopted_activation
from qrobust.quantization.names import Names
from qrobust.quantizers import QuantizedBits
from tflite_export import check_parity, export

L = keras.layers
FORMS = {
    "binary": lambda: qkeras.binary(alpha=1),
    "binary of 0 and 1": lambda: qkeras.binary(use_01=True, alpha=1),
    "binary of 2": lambda: qkeras.binary(alpha=2.0),
    "binary_tanh": lambda: qkeras.binary_tanh,
    "ternary": qkeras.ternary,
    "ternary(0.2)": lambda: qkeras.ternary(threshold=0.2, alpha=1),
    "ternary(0.8)": lambda: qkeras.ternary(threshold=0.8, alpha=0.5),
    "quantized_tanh": lambda: qkeras.quantized_tanh(8),
    "hard_tanh": lambda: qkeras.hard_tanh,
    "quantized_sigmoid": lambda: qkeras.quantized_sigmoid(5),
    "leaky": lambda: qkeras.quantized_relu(6, 2, negative_slope=0.125),
    "sigmoid-relu": lambda: qkeras.quantized_relu(6, 2, 1),
}
# Dyadic numbers off every threshold; sigmoid-relu ends half a step higher in QKeras.
X = ((np.arange(-4000, 4000) * 2 + 1) / 2048).astype(np.float32)[:, None]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_its_quantizer_away_from_ties(name):
    quantizer = FORMS[name]()
    form = adopted_activation(quantizer, "act")
    inputs = keras.Input((1,))
    given = X
    if form.layers is None:
        outputs = qkeras.QActivation(form.quantizer)(inputs)
    else:
        outputs = form.layers(inputs, Names(()).free)
    got = np.asarray(keras.Model(inputs, outputs)(given))
    wanted = np.asarray(quantizer(keras.ops.convert_to_tensor(given)))
    ends = 0.0
    if name == "sigmoid-relu":
        ends = 2.0**2 / 2**6
    elif name == "hard_tanh":
        ends = 2.0**-7
    assert np.abs(got - wanted).max() <= ends
    assert form.said and "'act'" in form.said


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_exact_on_every_runtime(name):
    keras.utils.set_random_seed(3)
    weights = {"kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1)}
    weights["bias_quantizer"] = qkeras.quantized_bits(4, 0, 1, alpha=1)
    inputs = keras.Input((6, 6, 2))
    x = qkeras.QConv2D(3, 3, activation=FORMS[name](), padding="same", **weights)(inputs)
    x = qkeras.QConv2D(3, 3, padding="same", **weights)(L.MaxPooling2D()(x))
    x = qkeras.QDense(4, **weights)(L.Flatten()(qkeras.QActivation(FORMS[name]())(x)))
    model = keras.Model(inputs, x)
    data = np.random.default_rng(0).uniform(0, 1, (80, 6, 6, 2)).astype(np.float32)
    adopted = qrobust.adopt(model, data, input_grid="unit")
    parity = check_parity(adopted.model, export(adopted.model), data)
    assert parity.is_exact, str(parity)


def test_a_real_tanh_is_no_hard_one():
    with pytest.raises(ValueError, match=r"'act'.*quantized_tanh.*use_real_tanh"):
        adopted_activation(qkeras.quantized_tanh(8, use_real_tanh=True), "act")
    with pytest.raises(ValueError, match="another function"):
        _check(qkeras.quantized_tanh(8), Form(QuantizedBits(8, 1)), "quantized_tanh", "act")


@pytest.mark.parametrize("alpha", ["auto", 0.3])
def test_a_scale_that_is_no_fixed_power_of_two_is_refused(alpha):
    with pytest.raises(ValueError, match=f"'act'.*alpha={alpha}.*Use alpha=1"):
        adopted_activation(qkeras.binary(alpha=alpha), "act")


@pytest.mark.parametrize(
    "make", [qkeras.quantized_relu_po2, qkeras.quantized_hswish, qkeras.bernoulli]
)
def test_what_has_no_form_is_refused_with_a_remedy(make):
    with pytest.raises(ValueError, match=f"'act'.*{make.__name__}.*use "):
        adopted_activation(make(), "act")


def quantized(activation, *layers):
    known = {"kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1)}
    return keras.Sequential(
        [
            keras.Input((6,)),
            qkeras.QDense(4, **known),
            qkeras.QActivation(activation),
            qkeras.QDense(3, **known),
        ]
    )


def test_a_quantizer_that_cannot_print_itself_is_refused_by_name():
    """QKeras's quantized_hswish raises in its own ``__str__``."""
    swish = quantized(qkeras.quantized_hswish(8, 2))
    for call in (qrobust.adopt, export):
        with pytest.raises(ValueError, match="quantized_hswish"):
            call(swish)


def test_recurrent_layers_are_refused_by_name_and_reason():
    model = keras.Sequential([keras.Input((5, 3)), qkeras.QLSTM(4)])
    with pytest.raises(ValueError, match=r"\(QLSTM\).*no exact kernel.*Conv1D"):
        qrobust.adopt(model)
