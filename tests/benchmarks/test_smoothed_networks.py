"""Which networks are timed beside a float loop, and by which recipe each was trained."""

import pytest
import results
from results import recipe_of
from smoothed_networks import chosen, named, smoothed

from qrobust.training.publish.summary import read_summary
from qrobust.training.recipe import read_recipe


def test_nested_networks_count_and_bring_their_recipe():
    found = {named(folder): folder for folder in smoothed()}
    assert {"digits", "digits_l1/gaussian64", "digits_l1/gaussian192"} <= set(found)
    assert "kws_stq/adversarial" in found
    assert recipe_of(found["digits_l1/gaussian64"]).name == "gaussian64.toml"
    for folder in found.values():
        certified = read_summary(folder / "summary.json").certified
        assert float(read_recipe(recipe_of(folder)).noise) == certified.sigma


def test_what_reads_no_gaussian_noise_is_left_out():
    found = {named(folder) for folder in smoothed()}
    # Counted views, a float network, a proof, noise in front of the features.
    others = {"digits_splits", "digits_splits/wide", "digits/float", "digits_proof"}
    assert not found & {*others, "kws_sound_w4a8"}
    assert all((results.PROJECT / "models" / name / "model.tflite").is_file() for name in found)


def test_a_name_that_is_not_there_is_said():
    with pytest.raises(SystemExit, match="--only: no smoothed network of models/: digist"):
        chosen(["digits", "digist"])
    assert [named(folder) for folder in chosen(["digits"])] == ["digits"]
    assert chosen([]) == smoothed()
