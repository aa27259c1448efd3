"""Files outside of the contract are tried in children before anything else is loaded."""

import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from tflite_export import runtimes
from tflite_export.check_runs import check_runs
from tflite_export.contract import contract_problem
from tflite_export.errors import ExportError
from tflite_export.inspection import inspect
from tflite_export.row_wise import read_model

ROOT = Path(__file__).parents[2]
DIGITS = (ROOT / "models" / "digits" / "model.tflite").read_bytes()
CRASHES = sorted((ROOT / "tests" / "fuzz" / "corpus" / "file").iterdir())


def packed(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_file_of_the_contract_needs_no_trial(monkeypatch):
    monkeypatch.setattr("tflite_export.runtimes.run", None)
    check_runs(DIGITS)


@pytest.mark.parametrize("path", CRASHES[::14], ids=lambda path: path.stem[:8])
def test_files_that_end_an_interpreter(path):
    with pytest.raises(ExportError) as refused:
        check_runs(path.read_bytes())
    assert "\n" not in str(refused.value)


def test_a_scale_off_the_contract_runs_and_is_no_error():
    model = read_model(DIGITS)
    output = model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]]
    output.quantization.scale = np.array([0.3], np.float32)
    content = packed(model)
    assert contract_problem(content)
    check_runs(content)


def test_a_file_gives_a_row_for_each_row_it_gets(monkeypatch):
    model = read_model(DIGITS)
    model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]].quantization.scale = np.array(
        [0.3], np.float32
    )
    monkeypatch.setattr(runtimes, "run", lambda name, model, inputs: [np.zeros((1, 10), np.int8)])
    with pytest.raises(ExportError, match="gives 1 rows for 3 inputs"):
        check_runs(packed(model))


@pytest.mark.parametrize("shape", [(1, 0, 8, 1), (1, -8, 8, 1), (1, 1 << 20, 1 << 10, 1)])
def test_an_input_of_no_size(shape):
    model = read_model(DIGITS)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].shape = np.array(shape, np.int32)
    with pytest.raises(ExportError, match="an input has 1 to"):
        check_runs(packed(model))


def test_metadata_that_lead_nowhere_are_none():
    model = read_model(DIGITS)
    before = inspect(packed(model)).metadata
    model.metadata[0].buffer = 2**32 - 1
    after = inspect(packed(model)).metadata
    assert len(after) == len(before) - 1


def test_parity_refuses_without_keras(tmp_path):
    (tmp_path / "m.tflite").write_bytes(CRASHES[0].read_bytes())
    program = (
        "import sys; from qrobust.cli import main\n"
        "status = main(['parity', *sys.argv[1:]])\n"
        "print(status, 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    model = str(ROOT / "models" / "digits" / "model.keras")
    command = [sys.executable, "-c", program, model, str(tmp_path / "m.tflite")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.stdout == "2 False False\n"
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: ")
