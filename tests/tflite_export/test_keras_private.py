"""What an upgrade of Keras would break, each part by itself."""

import keras
import pytest

from tflite_export import ExportError
from tflite_export.keras_private import (
    built_shape,
    call_of,
    functional,
    input_structure,
    is_model,
    layers_inside,
    nodes,
)

L = keras.layers


@pytest.fixture
def model():
    inputs = keras.Input((4,), name="a")
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3, name="inner")], name="nested")
    x = L.Dense(4, name="first")(inputs)
    return keras.Model(inputs, L.Add(name="sum")([inner(x), L.Dense(3, name="second")(x)]))


def test_calls_come_after_what_they_read(model):
    names = [node.operation.name for node in nodes(model)]
    assert sorted(names) == ["first", "nested", "second", "sum"]
    assert names[0] == "first" and names[-1] == "sum"


def test_a_sequential_model_has_a_graph():
    model = keras.Sequential([keras.Input((2,)), L.Dense(3, name="only")])
    assert is_model(model) and functional(model) is not model
    assert [node.operation.name for node in nodes(model)] == ["only"]
    assert not is_model(model.layers[0])


def test_a_subclassed_model_has_none():
    class Own(keras.Model):
        pass

    with pytest.raises(ExportError, match="no recorded graph"):
        functional(Own(name="own"))
    with pytest.raises(ExportError, match="no recorded graph"):
        functional(keras.Sequential([L.Dense(3)]))


def test_a_tensor_knows_its_call(model):
    node, output = call_of(model.outputs[0])
    assert node.operation.name == "sum" and output == 0
    assert [call_of(t)[0].operation.name for t in node.input_tensors] == ["nested", "second"]


def test_a_shared_layer_has_a_call_for_each_use():
    inputs = keras.Input((4,))
    layer = L.Dense(4)
    once = layer(inputs)
    twice = layer(once)
    assert call_of(once)[0] is not call_of(twice)[0]
    assert call_of(twice)[0].input_tensors[0] is once


def test_inputs_keep_their_structure():
    tensors = {"a": keras.Input((2,), name="a"), "b": keras.Input((2,), name="b")}
    model = keras.Model(tensors, L.Add()(list(tensors.values())))
    assert set(input_structure(model)) == {"a", "b"}


def test_layers_in_wrappers_and_nested_models_are_found(model):
    assert {"first", "nested", "inner", "second"} <= {x.name for x in layers_inside(model)}
    nested = model.get_layer("nested")
    assert nested in layers_inside(nested)
    assert nested not in layers_inside(nested, itself=False)
    wrapper = L.TimeDistributed(L.Dense(2, name="wrapped"))
    assert "wrapped" in {x.name for x in layers_inside(wrapper)}


def test_a_built_layer_knows_its_shape(model):
    assert tuple(built_shape(model.get_layer("first"))) == (None, 4)
