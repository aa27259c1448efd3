"""Stock QKeras models become exact ones, with every change reported."""

import json

import h5py
import keras
import numpy as np
import pytest
import qkeras
from hypothesis import given, settings
from hypothesis import strategies as st

import qrobust
from tflite_export import ExportError, check_parity, export

L = keras.layers
X = np.random.default_rng(0).normal(0, 1, (300, 16)).astype("float32")


def bits(b, i=0, **options):
    return qkeras.quantized_bits(b, i, alpha=1, **options)


def dense(units, b=6, **options):
    return qkeras.QDense(units, kernel_quantizer=bits(b), bias_quantizer=bits(b), **options)


def tagger(b=6, *middle):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            dense(24, b, name="fc1"),
            *middle,
            qkeras.QActivation("quantized_relu(6)", name="relu1"),
            dense(5, b, name="output"),
            L.Activation("softmax"),
        ]
    )
    # The asymmetric minimum of quantized_bits, in one weight.
    kernel = model.get_layer("fc1").kernel.numpy()
    kernel[3, 4] = -2.0
    model.get_layer("fc1").kernel.assign(kernel)
    return model


def test_a_stock_tagger_becomes_exact_and_every_change_is_named():
    model = tagger()
    with pytest.raises(ExportError):
        export(model)
    adopted = qrobust.adopt(model, X, input_grid="data")
    said = str(adopted)
    for part in ("'relu1': quantized_relu", "1 lie at the minimum", "'output'"):
        assert part in said
    assert adopted.changed_labels <= 0.03 * adopted.examples
    exported = export(adopted.model, inputs=X)
    assert exported.parity.is_exact
    # The original is as it was.
    assert "quantized_relu" in type(model.get_layer("relu1").activation).__name__


@pytest.mark.thorough
def test_it_trains_saves_and_still_exports(tmp_path):
    adopted = qrobust.adopt(tagger(), X, input_grid="data").model
    adopted.compile("adam", "sparse_categorical_crossentropy")
    adopted.fit(X, np.zeros(300), verbose=0)
    adopted.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert export(loaded, inputs=X).parity.is_exact


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("b", [4, 6, 7, 8])
def test_a_norm_and_wide_weights_are_folded_and_rounded(b):
    norm = L.BatchNormalization(name="norm")
    model = tagger(b, norm)
    rng = np.random.default_rng(1)
    norm.set_weights([rng.uniform(0.5, 1.5, 24), *rng.normal(0, 0.1, (2, 24)), np.full(24, 0.8)])
    adopted = qrobust.adopt(model, X, input_grid="data")
    assert "'norm' is folded into 'fc1'" in str(adopted)
    assert adopted.changed_labels <= 0.05 * adopted.examples
    assert export(adopted.model, inputs=X).parity.is_exact


@pytest.mark.thorough
@settings(max_examples=12, deadline=None)
@given(
    weight_bits=st.integers(2, 8),
    relu_bits=st.integers(2, 10),
    integer=st.integers(0, 3),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_grid_that_qkeras_has_is_exact_after_adoption(
    weight_bits, relu_bits, integer, bias, seed
):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            qkeras.QConv2D(
                4,
                3,
                kernel_quantizer=bits(weight_bits, 1),
                bias_quantizer=bits(8, 2) if bias else None,
                activation=qkeras.quantized_relu(relu_bits, integer),
            ),
            L.Flatten(),
            qkeras.QDense(3, kernel_quantizer=qkeras.quantized_po2(4, 1)),
        ]
    )
    x = np.random.default_rng(seed).uniform(0, 1, (60, 6, 6, 2)).astype("float32")
    adopted = qrobust.adopt(model, x, input_grid="unit")
    assert export(adopted.model, inputs=x).parity.is_exact


def activated(kind):
    return keras.Sequential(
        [
            keras.Input((4,)),
            dense(3),
            qkeras.QActivation(getattr(qkeras, kind)(), name="act"),
            dense(2),
        ]
    )


@pytest.mark.parametrize("kind", ["quantized_relu_po2", "quantized_hswish", "bernoulli"])
def test_activations_without_a_grid_are_refused_by_name(kind):
    with pytest.raises(ValueError, match=f"'act'.*{kind}"):
        qrobust.adopt(activated(kind), X[:, :4], input_grid="data")


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("kind", ["binary", "ternary", "quantized_tanh", "quantized_sigmoid"])
def test_activations_that_need_several_layers_are_exact(kind):
    adopted = qrobust.adopt(activated(kind), X[:, :4], input_grid="data")
    assert f"'act': {kind}" in str(adopted)
    assert export(adopted.model, inputs=X[:, :4]).parity.is_exact


def test_a_model_of_qkeras_09_is_read_without_it(tmp_path):
    """The layout of Keras 2: JSON of a Sequential model, and H5 weights by layer."""
    quantizer = {"class_name": "quantized_bits", "config": {"bits": 6, "integer": 0, "alpha": 1}}
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"batch_input_shape": [None, 16], "dtype": "float32", "name": "in"},
        },
        {
            "class_name": "QDense",
            "config": {
                "name": "fc",
                "units": 5,
                "activation": "linear",
                "kernel_quantizer": quantizer,
                "bias_quantizer": quantizer,
                "kernel_range": None,
                "kernel_initializer": {"class_name": "QInitializer", "config": {}},
            },
        },
        {"class_name": "Activation", "config": {"name": "softmax", "activation": "softmax"}},
    ]
    document = {"class_name": "Sequential", "config": {"name": "old", "layers": layers}}
    (tmp_path / "m.json").write_text(json.dumps(document))
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(0, 0.3, (16, 5)), rng.normal(0, 0.3, 5)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = file.create_group("fc")
        group.attrs["weight_names"] = [b"fc/kernel:0", b"fc/bias:0"]
        group["fc/kernel:0"], group["fc/bias:0"] = kernel, bias
    model = qrobust.load_legacy(tmp_path / "m.json", tmp_path / "m.h5")
    np.testing.assert_allclose(model.get_layer("fc").kernel, kernel, rtol=1e-6)
    adopted = qrobust.adopt(model, X, input_grid="data")
    assert check_parity(adopted.model, export(adopted.model), X).is_exact


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_probabilities_inside_a_dense_layer_are_left_out_and_its_logits_rounded(name):
    inputs = keras.Input((6,))
    kernel = qkeras.quantized_bits(4, 0, 1, alpha=1)
    head = qkeras.QDense(3, kernel_quantizer=kernel, activation=name, name="head")
    model = keras.Model(inputs, head(keras.layers.Rescaling(1 / 256)(inputs)))
    head.kernel.assign(np.random.default_rng(1).uniform(-0.8, 0.8, (6, 3)))
    x = np.random.default_rng(0).integers(0, 256, (40, 6)).astype("float32")
    adopted = qrobust.adopt(model, x)
    adopted = getattr(adopted, "model", adopted)
    assert check_parity(adopted, export(adopted), x, on=["LiteRT reference"]).is_exact
    np.testing.assert_allclose(adopted(x), model(x), atol=0.05)
