"""The differentiable twin of a foreign file follows it, and names what it does not know."""

from contextlib import closing

import flatbuffers
import keras
import numpy as np
import pytest
import results
from ai_edge_litert import schema_py_generated as schema
from deployed.stock import stock_file
from deployed.twin import Twin
from networks import random_inputs

from qrobust.attacks import TFLiteTarget
from qrobust.load_keras import load_keras

RESNET = results.PROJECT / "models" / "cifar10_bernhard" / "float" / "model.keras"


@pytest.fixture(scope="module")
def stock():
    model = load_keras(RESNET)
    images = random_inputs(model, 96, seed=0)
    return stock_file(model, images[:64]), images


def steps_apart(content, twin_of, images):
    """How far the twin of one file is from another, in steps of that one's logits."""
    with closing(TFLiteTarget(content)) as file:
        twin = Twin(twin_of, grid=file.grid)
        return np.abs(twin.logits(images) - file.logits(images)) / file.file.output_scale


def test_it_gives_nearly_the_integers_of_the_file(stock):
    content, images = stock
    steps = steps_apart(content, content, images)
    assert steps.max() <= 4 and (steps < 1.5).mean() > 0.9


def test_a_planted_weight_is_seen(stock):
    content, images = stock
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    graph = model.subgraphs[0]
    stem = graph.tensors[graph.operators[0].inputs[1]].quantization
    stem.scale = [1.5 * value for value in stem.scale]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert steps_apart(content, bytes(builder.Output()), images).max() > 8


def test_its_gradients_lead_away_from_the_label_of_the_file(stock):
    content, images = stock
    with closing(TFLiteTarget(content)) as file:
        y = file.logits(images).argmax(1)
        twin = Twin(content, grid=file.grid)
        _, gradient = twin.gradients(images, y, "cross_entropy")
        moved, back = (
            np.clip(images + sign * 8 * np.sign(gradient), 0, 255).astype(np.int16)
            for sign in (1, -1)
        )
        left, kept = ((file.logits(v).argmax(1) == y).mean() for v in (moved, back))
    assert left < 0.5 and kept > 0.9


def small(last):
    """A float network of 5 x 5 pictures that ends in some layers."""
    inputs = keras.Input((5, 5, 1))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=6, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


def test_a_final_softmax_is_left_out():
    model = small([keras.layers.Dense(3), keras.layers.Softmax()])
    images = random_inputs(model, 40, seed=1)
    content = stock_file(model, images)
    with closing(TFLiteTarget(content)) as file:
        logits = Twin(content, grid=file.grid).logits(images)
        assert np.abs(logits.sum(1) - 1).max() > 0.1
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        shares = exponents / exponents.sum(1, keepdims=True)
        assert np.abs(shares - file.logits(images)).max() < 0.05


def test_an_operator_that_it_does_not_know_is_named():
    model = small([keras.layers.Activation("tanh"), keras.layers.Dense(3)])
    content = stock_file(model, random_inputs(model, 40, seed=1))
    with closing(TFLiteTarget(content)) as file, pytest.raises(ValueError, match="TANH"):
        Twin(content, grid=file.grid)
