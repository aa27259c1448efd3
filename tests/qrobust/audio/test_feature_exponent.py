"""The step of the features that a keyword file's integers count, and who reads it off."""

from pathlib import Path

import numpy as np
import pytest

from qrobust.audio import feature_exponent, mfcc, quantize_features
from qrobust.certify.file.model_file import load_model
from qrobust.certify.file.runner import Runner
from qrobust.corruptions.of_file import labels_of
from qrobust.datasets import speech_commands
from qrobust.training.recipe import read_recipe

MODELS = Path(__file__).parents[3] / "models"
KEYWORDS = ("kws_dscnn_w4a8", "kws_sound_w4a8", "kws_stq/adversarial")


@pytest.mark.parametrize(
    ("scale", "unit", "exponent"),
    [
        (0.5, "", -1),
        (0.25, "feature step (quantized MFCC, 2^-1 each)", -2),  # the file's own word
        (2.0, "", 1),
        (1.0, "feature step (quantized MFCC, 2^-1 each)", -1),
        (1.0, "feature step (quantized MFCC, 2^0 each)", 0),
        (1.0, "feature step (quantized MFCC, 2^3 each)", 3),
        (1.0, "", -1),
        (1.0, "steps of something", -1),
    ],
)
def test_the_scale_says_it_or_the_unit_or_the_data_set(scale, unit, exponent):
    assert feature_exponent(scale, unit) == exponent


@pytest.mark.parametrize("scale", [0.58, 3.0, 0.0, -0.5, float("nan"), float("inf")])
def test_other_steps_are_refused(scale):
    with pytest.raises(ValueError, match="power of two"):
        feature_exponent(scale)


def test_the_unit_of_the_data_set_is_understood(tmp_path):
    import wave

    for word in ("on", "off"):
        (tmp_path / word).mkdir()
        for speaker in ("a0", "b1", "c2", "d3", "e4", "f5", "0a", "1b", "2c", "3d", "4e", "5f"):
            with wave.open(str(tmp_path / word / f"{speaker}_nohash_0.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16000)
                file.writeframes(np.zeros(16000, np.int16).tobytes())
    for exponent in (-3, -1, 0, 2):
        unit = speech_commands(tmp_path, exponent=exponent).unit
        assert feature_exponent(1.0, unit) == exponent


def clips(count):
    """Something like voices: harmonics and breath for a part of the second, int16[count, 16000]."""
    rng, time = np.random.default_rng(0), np.arange(16000) / 16000
    rows = []
    for _ in range(count):
        pitch, loud = rng.uniform(80, 400), rng.uniform(1000, 9000)
        begin, width = rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4)
        fall = rng.uniform(0.2, 1.5)
        tones = sum(np.sin(2 * np.pi * pitch * k * time) / k**fall for k in range(1, 20))
        breath = rng.normal(0, rng.uniform(0, 2), 16000)
        spoken = np.exp(-(((time - begin - width / 2) / width * 2) ** 4))
        rows.append(loud * spoken * (tones + breath) + rng.normal(0, 30, 16000))
    return np.clip(np.rint(rows), -(2**15), 2**15 - 1).astype(np.int16)


@pytest.mark.parametrize("name", KEYWORDS)
def test_sound_reaches_a_shipped_file_as_its_data_set_did(name):
    """Another step, such as the file's scale of 1, gives other labels: the check bites."""
    assert read_recipe(recipe_of(name)).data.name == "speech_commands"
    x, file = clips(60), load_model(MODELS / name / "model.tflite", trusted=True)
    run = Runner(file, batch=len(x), kernels="xnnpack")
    by_step = {e: run(quantize_features(mfcc(x), e)).argmax(axis=1) for e in (-1, 0)}
    assert (by_step[-1] != by_step[0]).any()
    np.testing.assert_array_equal(labels_of(file)(x), by_step[-1])


def recipe_of(name):
    own = MODELS / name / "recipe.toml"
    return own if own.is_file() else (MODELS / name).with_suffix(".toml")
