from pathlib import Path

import pytest

from qrobust.training.publish import device_memory as module
from qrobust.training.publish.device_memory import GENERATED_C, TFLM, device_memory
from tflite_export.c99.generate import generate
from tflite_export.read import read_graph

DIGITS = (Path(__file__).parents[4] / "models" / "digits" / "model.tflite").read_bytes()


def test_it_is_what_the_generated_c_and_tflm_allocate():
    pytest.importorskip("tflite_micro")
    graph = read_graph(DIGITS)
    need = device_memory(DIGITS)
    assert need[GENERATED_C] == generate(graph).arena
    # Every activation that lives at once fits, and the runtime's own state comes on top.
    alive = max(
        sum(tensor.size for tensor in (*operator.inputs, operator.output))
        for operator in graph.operators
    )
    assert need[TFLM] > alive


def test_without_tflm_it_says_so(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert "not installed" in device_memory(DIGITS)[TFLM]


def test_a_file_that_tflm_cannot_run_is_no_number():
    pytest.importorskip("tflite_micro")
    assert "cannot run" in module.tflm_arena(b"no model")
