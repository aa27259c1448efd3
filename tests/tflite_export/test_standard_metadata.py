"""Labels and normalization where TensorFlow Lite's own readers look for them."""

import io
import zipfile

import keras
import numpy as np
import pytest

import qrobust
from tflite_export import export, runtimes
from tflite_export.contract import contract_problem
from tflite_export.inspection import inspect
from tflite_export.standard_metadata import ENTRY

NAMES = [f"kind {number}" for number in range(5)]


def model(channels=3):
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, channels), name="picture")
    y = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    y = keras.layers.Dense(5, name="logits")(keras.layers.GlobalAveragePooling2D(name="mean")(y))
    return qrobust.quantize(keras.Model(x, y, name="net"), input_grid="unit")


@pytest.fixture(scope="module")
def file():
    return export(model(), io="uint8", labels=NAMES).tflite


class Table:
    """A flatbuffer's table by slots, by the format's own rules and nothing of ours."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    @classmethod
    def root(cls, data):
        return cls(data, cls.uint(data, 0))

    @staticmethod
    def uint(data, at):
        return int.from_bytes(data[at : at + 4], "little")

    def place(self, slot):
        vtable = self.at - int.from_bytes(self.data[self.at : self.at + 4], "little", signed=True)
        size = int.from_bytes(self.data[vtable : vtable + 2], "little")
        if 4 + 2 * slot >= size:
            return 0
        entry = vtable + 4 + 2 * slot
        offset = int.from_bytes(self.data[entry : entry + 2], "little")
        return self.at + offset if offset else 0

    def byte(self, slot):
        return self.data[self.place(slot)]

    def target(self, slot):
        place = self.place(slot)
        return place + self.uint(self.data, place)

    def table(self, slot):
        return Table(self.data, self.target(slot))

    def text(self, slot):
        at = self.target(slot)
        return self.data[at + 4 : at + 4 + self.uint(self.data, at)].decode()

    def tables(self, slot):
        at = self.target(slot)
        items = [at + 4 + 4 * k for k in range(self.uint(self.data, at))]
        return [Table(self.data, item + self.uint(self.data, item)) for item in items]

    def floats(self, slot):
        at = self.target(slot)
        return np.frombuffer(self.data, "<f4", self.uint(self.data, at), at + 4).tolist()


def test_the_entry_says_labels_and_normalization(file):
    data = inspect(file).metadata[ENTRY]
    assert data[4:8] == b"M001"
    root = Table.root(data)
    (subgraph,) = root.tables(3)
    ((picture,), (logits,)) = subgraph.tables(2), subgraph.tables(3)
    assert picture.text(0) == "picture" and logits.text(0) == "logits"
    content = picture.table(3)
    assert content.byte(0) == 2 and content.table(1).byte(0) == 1  # a picture, RGB
    (unit,) = picture.tables(4)
    assert unit.byte(0) == 1
    # "unit": the model reads pixel / 256 here, the finest power of two over [0, 1].
    assert (unit.table(1).floats(0), unit.table(1).floats(1)) == ([0.0], [256.0])
    (labels,) = logits.tables(6)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.read("labels.txt").decode().split("\n") == NAMES


def test_the_integers_and_the_contract_are_the_same(file):
    plain = export(model(), io="int8").tflite
    assert ENTRY not in inspect(plain).metadata
    assert contract_problem(file) == ""
    x = np.random.default_rng(0).integers(-128, 128, (20, 8, 8, 3)).astype(np.int8)
    (unsigned,) = runtimes.run("LiteRT XNNPACK", file, [x])
    np.testing.assert_array_equal(unsigned, runtimes.run("LiteRT XNNPACK", plain, [x])[0])


def test_two_exports_are_the_same_bytes(file):
    assert export(model(), io="uint8", labels=NAMES).tflite == file


def test_what_is_no_picture_has_none():
    assert ENTRY not in inspect(export(model(2), io="uint8").tflite).metadata


def test_mediapipe_reads_the_labels(file, tmp_path):
    mediapipe = pytest.importorskip("mediapipe")
    tasks = mediapipe.tasks
    options = tasks.vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=file), max_results=5
    )
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        (head,) = classifier.classify(image).classifications
    assert {category.category_name for category in head.categories} == set(NAMES)
