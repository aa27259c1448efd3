"""The front end seen by a network that others trained: MLPerf Tiny's keyword model.

    QROBUST_DATA=... QROBUST_BASELINES=... pytest -s -m slow tests/qrobust/audio

prints its accuracy on the words at hand; see the function below for what the folders hold.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from qrobust.audio import mfcc, quantize_features
from qrobust.datasets import KEYWORDS, data_folder, speech_commands


@pytest.fixture(scope="module")
def words():
    if not os.environ.get("QROBUST_DATA"):
        pytest.skip("QROBUST_DATA names no folder with speech_commands")
    folder = data_folder()
    present = [word for word in KEYWORDS if any(folder.glob(f"speech_commands*/{word}/*.wav"))]
    if len(present) < 2:
        pytest.skip(f"{folder} has no speech_commands with the words of the keyword task")
    return speech_commands(words=present, features="waveform")


@pytest.fixture(scope="module")
def models():
    root = os.environ.get("QROBUST_BASELINES")
    folder = Path(root or ".") / "mlcommons_tiny"
    if not root or not folder.is_dir():
        pytest.skip("QROBUST_BASELINES names no folder with mlcommons_tiny")
    return folder


def predictions(path, features):
    """Labels of one clip after the other; features are put on an integer model's own grid."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    if inputs["dtype"] == np.int8:
        scale, zero = inputs["quantization"]
        features = np.clip(np.round(features / scale + zero), -128, 127).astype(np.int8)
    labels = []
    for clip in features:
        interpreter.set_tensor(inputs["index"], clip[None])
        interpreter.invoke()
        labels.append(interpreter.get_tensor(outputs["index"])[0].argmax())
    return np.array(labels)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["kws_ref_model_float32.tflite", "kws_ref_model.tflite"])
@pytest.mark.parametrize("exponent", [None, -1, 0], ids=lambda e: f"grid {e}")
def test_keyword_accuracy(words, models, model, exponent):
    features = mfcc(words.test.x)
    if exponent is not None:
        features = (quantize_features(features, exponent) * 2.0**exponent).astype(np.float32)
    truth = np.array([KEYWORDS.index(word) for word in words.class_names])[words.test.y]
    accuracy = np.mean(predictions(models / model, features) == truth)
    print(f"\n{model}, feature grid 2^{exponent}: {accuracy:.4f} of {len(truth)} held-out clips")
    assert accuracy >= 0.88
