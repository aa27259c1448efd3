"""What `qrobust inspect` prints, and its exit status: whether certify would run the file."""

from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from qrobust import cli
from qrobust.certify.file.metadata import write_metadata
from qrobust.certify.file.smoothing_spec import METADATA_NAME, read_spec
from tflite_export.row_wise import read_model

ROOT = Path(__file__).parents[2]
DIGITS = (ROOT / "models" / "digits" / "model.tflite").read_bytes()
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def packed(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def without_spec(content):
    model = read_model(content)
    model.metadata = [e for e in model.metadata if e.name.decode() != METADATA_NAME]
    found = packed(model)
    assert read_spec(found) is None
    return found


def inspect(tmp_path, capsys, content):
    (tmp_path / "m.tflite").write_bytes(content)
    status = cli.main(["inspect", str(tmp_path / "m.tflite")])
    out, errors = capsys.readouterr()
    return status, out, errors.splitlines()


def fixed_batch(content):
    """Rows that are run one at a time: fine."""
    model = read_model(content)
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = None
    return packed(model)


@pytest.mark.parametrize("change", [bytes, without_spec, fixed_batch])
def test_what_certify_runs(tmp_path, capsys, change):
    status, out, errors = inspect(tmp_path, capsys, change(DIGITS))
    assert (status, errors) == (0, [])
    assert "meets the integer contract" in out


def test_a_classifier_of_other_kernels_runs_given_a_sigma(tmp_path, capsys):
    model = read_model(without_spec(DIGITS))
    graph = model.subgraphs[0]
    graph.tensors[graph.outputs[0]].quantization.scale = np.array([0.3], np.float32)
    status, out, errors = inspect(tmp_path, capsys, packed(model))
    assert (status, errors) == (0, [])
    assert "outside the integer contract" in out


def float_input(model):
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].type = 0
    return model


def two_outputs(model):
    graph = model.subgraphs[0]
    graph.outputs = [*graph.outputs, graph.operators[0].outputs[0]]
    return model


@pytest.mark.parametrize("change", [float_input, two_outputs])
@pytest.mark.parametrize("content", [DIGITS, without_spec(DIGITS)], ids=["spec", "no spec"])
def test_what_certify_refuses_is_shown_whole_and_refused(tmp_path, capsys, change, content):
    status, out, errors = inspect(tmp_path, capsys, packed(change(read_model(content))))
    (line,) = errors
    assert status == 2
    assert line.startswith("error: qrobust certify refuses this file: ")
    assert "smoothing spec" in out and "MACs" in out


@pytest.mark.parametrize("path", sorted((CORPUS / "file").iterdir())[::8], ids=lambda p: p.stem[:8])
def test_files_that_end_an_interpreter(tmp_path, capsys, path):
    status, _, errors = inspect(tmp_path, capsys, path.read_bytes())
    (line,) = errors
    assert status == 2 and line.startswith("error: ")


@pytest.mark.parametrize("path", sorted((CORPUS / "spec").iterdir()), ids=lambda p: p.stem[:8])
def test_a_spec_that_cannot_be_read_is_an_error_alone(tmp_path, capsys, path):
    content = write_metadata(DIGITS, METADATA_NAME, path.read_bytes())
    status, out, errors = inspect(tmp_path, capsys, content)
    assert (status, out, len(errors)) == (2, "", 1)
