"""Formats from elsewhere are refused by name, with the road that exists."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust.load_keras import load_keras
from tflite_export import ExportError, check_parity, export
from tflite_export.lower.registry import INSTEAD, exported_layers

L = keras.layers


def kind_of(package, name="Model"):
    """An object of a class that some package would define."""
    return type(name, (), {"__module__": f"{package}.sub", "name": "m"})()


@pytest.mark.parametrize(
    ("thing", "road"),
    [
        ("model.keras", r"keras\.models\.load_model\('model\.keras'\)"),
        (b"TFL3", r"4 bytes.*qrobust\.quantize"),
        (kind_of("onnx", "ModelProto"), r"'m' is of ONNX: build the network in Keras 3"),
        (kind_of("torch", "Module"), r"'m' is of PyTorch: build the network"),
        (kind_of("tensorflow", "AutoTrackable"), r"'m' is of TensorFlow.*save it as \.keras"),
        (kind_of("tf_keras", "Functional"), r"'m' is of Keras 2.*load_legacy"),
        (kind_of("tensorflow_model_optimization"), r"'m' is of tfmot.*float model.*quantize"),
    ],
)
def test_what_is_no_model_of_keras_3_is_named(thing, road):
    for call in (export, qrobust.quantize, qrobust.adopt):
        with pytest.raises(ValueError, match=road):
            call(thing)
    with pytest.raises(ValueError, match=road):
        check_parity(thing, b"", np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("name", "road"),
    [
        ("m.onnx", "is an ONNX file: build the network"),
        ("m.tflite", r"is a \.tflite.*certify"),
        ("m.json", "load_legacy"),
        ("m.pt", "is a PyTorch file"),
        ("m.h5", "is an H5 file of Keras 2.*load_legacy"),
        ("saved", "is a SavedModel"),
    ],
)
def test_files_that_keras_does_not_read_are_named(tmp_path, name, road):
    path = tmp_path / name
    if name == "saved":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"")
    else:
        path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=road):
        load_keras(path)


@pytest.mark.parametrize(
    ("kind", "road"),
    [("QuantizeWrapperV2", "of tfmot.*float model"), ("HDense", "of HGQ 0.2.*HGQ2")],
)
def test_files_with_layers_of_other_packages_are_named(tmp_path, kind, road):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, type(kind, (L.Dense,), {"__module__": "other"})(2)(inputs))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=road):
        load_keras(tmp_path / "m.keras")


@pytest.mark.filterwarnings("ignore:Layer InputLayer")
def test_keras_own_int8_is_named():
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="dense")])
    model.quantize("int8")
    for call in (export, qrobust.quantize):
        with pytest.raises(ValueError, match=r"'dense'.*int8.*"):
            call(model)


LAYERS = {
    "LSTM": lambda: L.LSTM(3),
    "GRU": lambda: L.GRU(3),
    "LayerNormalization": L.LayerNormalization,
    "LeakyReLU": L.LeakyReLU,
    "Lambda": lambda: L.Lambda(lambda x: x, output_shape=(6, 4)),
    "SpectralNormalization": lambda: L.SpectralNormalization(L.Dense(3)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_without_a_kernel_is_named_with_a_remedy(kind):
    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, LAYERS[kind]()(inputs))
    name = model.layers[-1].name
    with pytest.raises(
        ExportError, match=rf"'{name}' \(keras\.{kind}\).*: (use|any|build|qrobust)"
    ):
        export(model)


def test_layers_with_a_remedy_are_none_that_export():
    exported = {name.partition(".")[2] for name in exported_layers()}
    assert not exported & (set(INSTEAD) - {"ELU"})
    assert {"Conv2D", "QDense", "Maximum"} <= exported


def test_a_layer_of_hgq2_is_sent_to_adopt():
    layer = type("QDense", (L.Dense,), {"__module__": "hgq.layers"})(2)
    inputs = keras.Input((3,))
    with pytest.raises(ExportError, match=r"of HGQ2.*qrobust\.adopt"):
        export(keras.Model(inputs, layer(inputs)))
