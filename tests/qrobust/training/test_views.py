"""Recipes of splits, bands and blocks: trained on the device's views, certified by counting."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from qrobust import datasets
from qrobust.certify import Certifier, read_spec
from qrobust.layers import AblationNoise, BandNoise, GridNoise, SplitNoise
from qrobust.training.initialize import copy_weights
from qrobust.training.publish.road import run_recipe
from qrobust.training.recipe import read_recipe
from qrobust.training.recipe_sections import Defence
from qrobust.training.train import build, load_data
from qrobust.training.views import certified_inputs, input_layer, same_view, with_inverse

RECIPE = """
name = "counted"
seed = 1
[data]
name = "digits"
[network]
name = "digits_cnn"
options = {{ width = 4, batch_norm = false }}
[defence]
noise = "{noise}"
size = {size}
consistency = 1
[training]
epochs = 1
batch_size = 64
[certification]
images = 3
radii = [0, 1, 2]
[attack]
images = 0
"""


def written(folder, noise, size, changes=()):
    text = RECIPE.format(noise=noise, size=size)
    for old, new in dict(changes).items():
        text = text.replace(f"\n{old} = ", f"\n{old} = {new} #")
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("noise", "size", "views", "norm"),
    [
        ("splits", 12, 12, "l1"),
        ("bands", 3, 8, "patch"),
        ("blocks", 4, 64, "patch"),
        ("ablation", 6, 6, "l0"),
    ],
)
def test_a_recipe_gives_a_file_that_counts_what_it_was_trained_on(
    tmp_path, noise, size, views, norm
):
    published = run_recipe(
        written(tmp_path, noise, size), allow_missing=("TFLM",), out=tmp_path / "out"
    )
    spec = read_spec(published.tflite)
    assert (spec.noise, spec.counting, spec.sigma) == (noise, (size, 0), None)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["certified"]["settings"]["method"] == noise
    assert f"all {views} {noise} counted" in published.card
    assert len(published.certificates) == 3
    for certificate in published.certificates:
        assert (certificate.norm, certificate.samples) == (norm, views)
    # The same certificates from the file and the data that the log keeps, and nothing else.
    with np.load(tmp_path / "out" / "log" / "data.npz") as data:
        assert data["x"].shape[1:] == (8, 8, 1)
        again = Certifier(published.tflite).certify(data["x"][0], y=int(data["y"][0]))
    assert again.votes == published.certificates[0].votes


def test_the_input_layer_is_what_the_defence_says():
    for defence, kind in (
        (Defence(sigma=3.0), GridNoise),
        (Defence(noise="splits", size=9), SplitNoise),
        (Defence(noise="bands", size=2), BandNoise),
        (Defence(noise="blocks", size=2), BandNoise),
        (Defence(noise="ablation", size=9), AblationNoise),
    ):
        layer = input_layer(defence, 0, 255, 1)
        layer.build((None, 8, 8, 2))
        assert isinstance(layer, kind)
        assert same_view(layer, defence)[0]
        other = replace(defence, sigma=4.0) if defence.sigma else replace(defence, size=5)
        assert not same_view(layer, other)[0]
    assert not same_view(layer, Defence(noise="bands", size=2))[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_hidden_pictures_have_their_inverse_as_channels(dtype):
    limits = np.iinfo(dtype)
    x = np.array([limits.min, -3 % 256 if dtype == np.uint8 else -3, limits.max], dtype)
    part = datasets.Split(np.repeat(x, 4).reshape(3, 2, 2, 1), np.array([0, 1, 1]))
    whole = datasets.Dataset("few", part, part, ("a", "b"), "step")
    masked = Defence(noise="bands", size=1)
    doubled = with_inverse(whole, masked)
    first, second = doubled.test.x[..., 0].astype(int), doubled.test.x[..., 1].astype(int)
    assert doubled.test.x.dtype == dtype
    assert (first + second == int(limits.min) + int(limits.max)).all()
    assert np.array_equal(certified_inputs(doubled.test.x, masked), part.x)
    assert with_inverse(whole, Defence(noise="splits", size=2)) is whole


def test_a_network_of_twice_the_channels_starts_where_the_float_one_ended(tmp_path):
    recipe = read_recipe(written(tmp_path, "bands", 3))
    dataset = load_data(recipe, None)
    target = build(recipe, dataset)
    plain = replace(recipe, defence=Defence(sigma=1.0))
    source = build(plain, load_data(plain, None))
    copy_weights(source, target, doubled=True)
    x = dataset.test.x[:8].astype("float32")
    np.testing.assert_allclose(source(x[..., :1]), target(x), rtol=1e-5)
    with pytest.raises(ValueError, match="shape"):
        copy_weights(source, keras.models.clone_model(target))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "0"}, "a size of at least 1"),
        ({"size": "70000"}, r"size lies in \[0, 65536\]"),
        ({"consistency": "0\nmacer = 1"}, "no sigma, macer"),
        ({"consistency": "0\nsigma = 4"}, "no sigma, macer"),
        ({"noise": '"gaussian"'}, "size and threshold are of splits"),
        ({"noise": '"stripes"'}, "noise is one of"),
        ({"radii": "[0]\nn = 500"}, "give images and radii alone"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_recipe(written(tmp_path, "bands", 3, changes))


def test_an_attack_on_pictures_that_are_never_seen_whole_is_refused(tmp_path):
    path = written(tmp_path, "bands", 3)
    path.write_text(path.read_text().replace("[attack]\nimages = 0", "[attack]\nimages = 5"))
    with pytest.raises(ValueError, match="never sees whole"):
        read_recipe(path)
