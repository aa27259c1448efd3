"""Every model in models/: the file is what its Keras model exports, and the card is about it."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.commands.keras_file import load_keras
from tflite_export import export

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(MODELS.rglob("model.tflite"))


def integers(content, x):
    interpreter = Interpreter(model_content=content, num_threads=1)
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(exit_["index"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(MODELS)))
def test_the_file_gives_the_integers_of_its_keras_model(path):
    content, model = path.read_bytes(), load_keras(path.with_name("model.keras"))
    exported = export(model).tflite
    shape = (20, *model.input_shape[1:])
    x = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    np.testing.assert_array_equal(integers(content, x), integers(exported, x))
    card = path.with_name("card.md").read_text()
    assert f"| {len(content):,} bytes," in card
    assert getattr(model, "optimizer", None) is None  # half of the file would be its state
    spec = read_spec(content)
    assert (spec is None) == ("| certificates" in card and "| none" in card)
    if spec is not None:
        assert f"sigma {float(spec.sigma):g} LSB" in card and spec.unit and f"| {spec.unit}" in card


def test_there_are_models():
    assert len(FILES) >= 4
