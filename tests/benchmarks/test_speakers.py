"""Networks that hold a group of speakers out each, and what is counted of them."""

import sys
import wave
from dataclasses import replace

import numpy as np
import pytest
import render
import results
import speakers
from grid.unpaired import unpaired_points

from qrobust.datasets import speaker_split
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data


def test_held_out_clips_count_once_and_test_clips_once_in_the_interval():
    rows = [
        {"held out": {"count": 8, "of": 10}, "test part": {"count": 70, "of": 80}},
        {"held out": {"count": 9, "of": 12}, "test part": {"count": 60, "of": 80}},
    ]
    found = speakers.together(rows)
    assert found["held out"] == {"count": 17, "of": 22}
    assert found["test part"] == {"count": 130, "of": 160}
    wanted = unpaired_points({"count": 17, "of": 22}, {"count": 65, "of": 80})
    assert found["held out minus test, points"] == wanted
    # Differences of -7.5 and 0 points: t of one degree of freedom is 12.706.
    assert found[speakers.OVER] == "-3.7 (-51.4 to +43.9)"


@pytest.mark.thorough
def test_each_network_is_judged_on_whom_it_never_heard(tmp_path, monkeypatch):
    words = read_recipe(speakers.RECIPE).data.words
    names = list(map("{:08x}".format, range(60)))
    parts = {part: [n for n in names if speaker_split(f"{n}_nohash_0.wav") == part]
             for part in ("train", "test")}  # fmt: skip
    rng = np.random.default_rng(0)
    for number, word in enumerate(words):
        for name in [*parts["train"][:4], parts["test"][0]]:
            path = tmp_path / "speech_commands" / word / f"{name}_nohash_0.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            pitch = np.sin(np.arange(16_000) * (0.05 + 0.1 * number)) * 4000
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes((pitch + rng.normal(0, 500, 16_000)).astype("<i2").tobytes())
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    state = ["--data", str(tmp_path), "--state", str(tmp_path / "state")]
    monkeypatch.setattr(sys, "argv", ["speakers.py", *state, "--tiny", "--record", "speakers"])
    assert speakers.main() == 0
    recipe = read_recipe(speakers.RECIPE)
    recipe = replace(recipe, data=replace(recipe.data, held_out=6, copies=1, clean_copies=1))
    folds = [load_data(speakers.held_apart(recipe, fold), str(tmp_path)) for fold in (0, 1)]
    held = [{clip.tobytes() for clip in data.validation.x} for data in folds]
    assert list(map(len, held)) == [6, 6] and not held[0] & held[1]
    for data, group in zip(folds, held, strict=True):
        assert len(data.train) == 36  # three speakers, each clip with noise and without
        assert group.isdisjoint(clip.tobytes() for clip in data.train.x)
    found = results.read("speakers", tmp_path)
    assert [row["held out"]["of"] for row in found.counts] == [6, 6, 12]
    assert [row["test part"]["of"] for row in found.counts] == [6, 6, 12]
    assert "held out minus test" in render.block("speakers", tmp_path)
    assert speakers.main() == 0  # what is trained is not trained again
