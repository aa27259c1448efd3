"""Nothing is published on a comparison that was skipped, or that failed."""

import numpy as np
import pytest

import tflite_export
from qrobust.training.publish.check_runtimes import check_runtimes
from qrobust.training.publish.evidence import compare
from tflite_export import Parity, runtimes

INPUTS = np.zeros((2, 3))


def found(monkeypatch, **parts):
    parity = Parity(inputs=2, integers=6, **{"differing": {"Keras predict": 0}, **parts})
    monkeypatch.setattr(tflite_export, "check_parity", lambda *_: parity)


def test_a_missing_runtime_is_an_error_that_says_what_to_do(monkeypatch):
    found(monkeypatch, skipped={"TFLM": "tflite_micro is not installed"})
    with pytest.raises(ValueError, match="TFLM was not compared .*not installed") as error:
        compare(None, None, INPUTS, allow_missing=())
    assert "--allow-missing 'TFLM'" in str(error.value)
    with pytest.raises(ValueError, match="TFLM was not compared"):
        compare(None, None, INPUTS, allow_missing=["LiteRT reference"])


def test_allowed_by_name_it_is_written_down(monkeypatch):
    found(monkeypatch, skipped={"TFLM": "not installed"})
    compared = compare(None, None, INPUTS, allow_missing=["TFLM"])
    assert compared.skipped == {"TFLM": "not installed"}
    assert (compared.inputs, compared.integers) == (2, 6)


def test_a_name_that_is_no_runtime_is_refused():
    with pytest.raises(ValueError, match="Received: 'tflm'"):
        check_runtimes(["tflm"])


def test_what_is_not_installed_is_refused_before_a_training(monkeypatch):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None if "micro" in name else 1)
    with pytest.raises(ValueError, match="TFLM cannot be compared .tflite_micro is not installed"):
        check_runtimes(())
    check_runtimes(["TFLM"])
    monkeypatch.setattr(runtimes, "find_spec", lambda name: 1)
    check_runtimes(())


def test_a_difference_is_never_allowed(monkeypatch):
    found(monkeypatch, differing={"TFLM": 1})
    with pytest.raises(ValueError, match="differs from the model; nothing is published"):
        compare(None, None, INPUTS, allow_missing=["TFLM"])
