"""Every model in models/: the file is what its Keras model exports, and the card is about it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from c_compiler import Models
from random_graphs import random_inputs

from qrobust.certify import read_certificates
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.ensembles import combine
from qrobust.load_keras import load_keras
from qrobust.training.publish.card import card
from qrobust.training.publish.device_memory import GENERATED_C, TFLM
from qrobust.training.publish.summary import read_summary
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data
from tflite_export import export
from tflite_export.c99.generate import generate
from tflite_export.read import read_graph

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(MODELS.rglob("model.tflite"))
ENSEMBLE = MODELS / "digits_ensemble"


def integers(content, x):
    interpreter = Interpreter(model_content=content, num_threads=1)
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(exit_["index"])


@pytest.mark.ordinary(2)
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
        drawn = spec.counting is None
        how = f"sigma {float(spec.sigma):g} LSB" if drawn else f"{spec.noise} counted: certain"
        assert how in card and spec.unit and f"| {spec.unit}" in card


@pytest.mark.thorough
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(MODELS)))
def test_the_c_gives_the_integers_of_the_file(path, tmp_path):
    content = path.read_bytes()
    graph = read_graph(content)
    x = [array.astype(np.int8) for array in random_inputs(graph, 0)]
    (received,) = Models([graph], tmp_path).run(0, x)
    np.testing.assert_array_equal(received, integers(content, *x))


SUMMARIES = sorted(MODELS.rglob("summary.json"))


@pytest.mark.ordinary(16)
@pytest.mark.parametrize("path", SUMMARIES, ids=lambda path: str(path.parent.relative_to(MODELS)))
def test_a_card_is_rendered_from_the_summary_of_its_file(path):
    summary = read_summary(path)
    assert path.with_name("card.md").read_text() == card(summary)
    tflite = path.with_name("model.tflite")
    assert (summary.file is None) != tflite.exists()
    if summary.file is not None:
        content = tflite.read_bytes()
        assert summary.file.sha256 == hashlib.sha256(content).hexdigest()
        assert f"{len(content):,} bytes in the file" in summary.file.layers
        assert summary.file.memory[GENERATED_C] == generate(read_graph(content)).arena
        # What a runtime allocates is never below what its activations alone need.
        assert summary.file.memory[TFLM] > summary.file.memory[GENERATED_C] > 0
    assert path.with_name("card.md").exists()


def test_every_card_has_a_summary():
    assert {p.parent for p in SUMMARIES} == {p.parent for p in MODELS.rglob("card.md")}


@pytest.mark.ordinary(6)
@pytest.mark.parametrize("path", sorted(MODELS.rglob("certificates.jsonl")))
def test_certified_accuracy_is_that_of_the_journal(path):
    summary = read_summary(path.with_name("summary.json"))
    found = list(read_certificates(path))
    assert {c.model_sha256 for c in found} == {summary.file.sha256}
    assert len(found) == summary.certified.images
    for share in summary.certified.shares:
        least = share.radius * 2**16
        assert share.certified == sum(c.label == c.y and c.radius_q16 >= least for c in found)


def test_there_are_models():
    assert len(FILES) >= 4


@pytest.mark.ordinary(2)
def test_no_member_of_an_ensemble_was_trained_on_what_it_is_tested_on():
    recipe = read_recipe(ENSEMBLE / "recipe.toml")
    together = load_data(recipe, None)
    paths = [Path(member) for member in recipe.network.members]
    assert len(paths) == 3
    for path in paths:
        own = read_recipe(path.parent.with_suffix(".toml"))
        data = load_data(own, None)
        for part in ("train", "validation", "test"):
            mine, theirs = getattr(data, part), getattr(together, part)
            np.testing.assert_array_equal(mine.x, theirs.x)
            np.testing.assert_array_equal(mine.y, theirs.y)
        # Their seeds alone would choose other test images.
        other = load_data(replace(own, data=replace(own.data, split_seed=None)), None)
        assert np.array_equal(other.test.x, together.test.x) == (own.seed == 0)


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    ("folder", "others"), [("digits_ensemble", (1, 1, 1)), ("cifar10_resnet20_ensemble", (1, 2, 3))]
)
def test_the_shipped_ensemble_is_its_members(folder, others):
    recipe = read_recipe(MODELS / folder / "recipe.toml")
    members = [load_keras(Path(path)) for path in recipe.network.members]
    summary = read_summary(MODELS / folder / "summary.json")
    weights = summary.network.name.partition("(")[2].rstrip(")")
    made = combine(members, [int(weight) for weight in weights.split(":")])
    x = np.random.default_rng(1).integers(-128, 128, (20, *made.input_shape[1:])).astype(np.int8)
    shipped = integers((MODELS / folder / "model.tflite").read_bytes(), x)
    np.testing.assert_array_equal(integers(export(made).tflite, x), shipped)
    assert not np.array_equal(integers(export(combine(members, others)).tflite, x), shipped)
