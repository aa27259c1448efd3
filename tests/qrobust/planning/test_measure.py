import hashlib
import json
import platform
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qrobust.certify import CertifyError
from qrobust.cli import main
from qrobust.planning import measure as measuring
from qrobust.planning.bench import read_bench
from qrobust.planning.measure import measure
from tests.qrobust.certify.tiny_models import linear

DIGITS = Path(__file__).parents[3] / "models" / "digits" / "model.tflite"


@pytest.fixture(scope="module")
def bench():
    return measure(DIGITS, seconds=0.01, rounds=2, threads=2)


def test_every_batch_and_thread_is_measured(bench):
    assert [(row.batch, row.threads) for row in bench.inferences] == [
        (1, 1), (8, 1), (64, 1), (1, 2), (8, 2), (64, 2)
    ]  # fmt: skip
    assert [row.threads for row in bench.votes] == [1, 1, 2, 2]
    assert [row.request for row in bench.votes][::2] == [64, 64]
    assert all(row.request in range(128, 4097, 64) for row in bench.votes[1::2])
    assert bench.subject.sha256 == hashlib.sha256(DIGITS.read_bytes()).hexdigest()
    assert (bench.subject.sigma, bench.subject.input) == ("64", (8, 8, 1))


def test_rates_are_positive_and_times_are_times(bench):
    rows = (*bench.inferences, *bench.votes)
    assert all(row.per_s > 0 and row.per_cpu_s > 0 for row in rows)
    assert bench.start_s > 0 and bench.certificate_s >= 0


class Slow:
    """A clock on which everything takes a second, as on a board or beside many others."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 1.0
        return self.now

    def __getattr__(self, name):
        return getattr(time, name)


def test_a_slow_machine_measures_less_and_comes_to_an_end(monkeypatch):
    """Where one request takes seconds it is made once a round, and long ones are cut."""
    slow = Slow()
    monkeypatch.setattr(measuring, "time", slow)
    found = measure(DIGITS, seconds=0.001, rounds=1, threads=1)
    assert [row.request for row in found.votes] == [64, 128]
    assert [row.batch for row in found.inferences] == [1, 8, 64]  # those have clocks of their own
    assert slow.now < 40
    assert all(row.per_s > 0 for row in found.votes)


def test_batches_after_one_that_takes_seconds_are_left_out(monkeypatch):
    monkeypatch.setattr(measuring, "_PATIENCE_S", 0.0)
    found = measure(DIGITS, seconds=0.001, rounds=1, threads=1)
    assert [row.batch for row in found.inferences] == [1]


def test_an_inference_that_takes_longer_than_its_time_is_counted():
    """A busy machine may keep a lane from its core until its time is over."""
    from qrobust.certify.file.model_file import load_model

    answer = measuring.serve_inferences(load_model(DIGITS, trusted=True), "xnnpack")((8, 0.0))
    count, wall, cpu = np.frombuffer(answer, "<f8")
    assert (count, wall > 0, cpu > 0) == (8, True, True)


def test_a_file_without_noise_has_inferences_alone():
    found = measure(linear([[1, -1], [-1, 1]]), seconds=0.005, rounds=1, threads=1)
    assert found.inferences
    assert (found.votes, found.start_s, found.certificate_s) == ((), None, None)
    assert found.subject.sigma is None
    smoothed = measure(linear([[1, -1], [-1, 1]]), sigma=20, seconds=0.005, rounds=1, threads=1)
    assert smoothed.subject.sigma == "20"
    assert len(smoothed.votes) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 0}, "threads must be at least 1"),
        ({"threads": 300}, "threads must be at most 252"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"rounds": 10**9}, "rounds must be at most 1000"),
        ({"seconds": float("nan")}, "must lie in"),
        ({"seconds": 0}, "must lie in"),
        ({"sigma": 3}, "contradicts the file's smoothing spec"),
    ],
)
def test_what_cannot_be_measured(change, message):
    with pytest.raises(CertifyError, match=message):
        measure(DIGITS, **({"seconds": 0.001, "rounds": 1} | change))
    with pytest.raises(CertifyError, match="this is a bundle of several files"):
        measure(b"QRBUNDLE" + bytes(8))


def floating(content):
    """The same file in floating point."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    stored = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}
    for tensor in model.subgraphs[0].tensors:
        buffer = model.buffers[tensor.buffer]
        if buffer.data is not None and len(buffer.data):
            numbers = np.asarray(buffer.data, np.uint8).view(stored[tensor.type])
            buffer.data = np.frombuffer(numbers.astype(np.float32).tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_command_refuses_other_files_in_one_line(tmp_path, capsys):
    """A network in floating point, no network, no spec: an error or a word, never a traceback."""
    path = tmp_path / "f.tflite"
    path.write_bytes(floating(linear([[1, -1], [-1, 1]])))
    assert main(["bench", str(path)]) == 2
    error = capsys.readouterr().err
    assert "float32; only int8 and uint8 files" in error and error.count("\n") == 1
    path.write_bytes(b"TFL3" * 20)
    assert main(["bench", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    path.write_bytes(linear([[1, -1], [-1, 1]]))
    words = ["bench", str(path), "--seconds", "0.001", "--rounds", "1", "--threads", "1"]
    assert main([*words, "--out", str(tmp_path / "b.json")]) == 0
    assert "no votes: the file names no noise (give --sigma)" in capsys.readouterr().out
    assert read_bench(tmp_path / "b.json").votes == ()


def test_the_command(tmp_path, capsys):
    out = tmp_path / "b.json"
    words = ["bench", str(DIGITS), "--seconds", "0.005", "--rounds", "1", "--threads", "1"]
    assert main([*words, "--out", str(out), "--emulated"]) == 0
    said = capsys.readouterr()
    assert "votes" in said.out and "cores (emulated)" in said.out
    found = read_bench(out)
    assert found.machine.emulated
    assert ("busy: " in said.err) == bool(found.load.busy)
    # No names of hosts, users or paths.
    content = out.read_text()
    assert platform.node() not in content
    assert str(tmp_path) not in content and "/" not in content.replace("w/", "")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "qrobust.bench"
    assert main(["bench", str(tmp_path / "none.tflite")]) == 2
    assert main([*words, "--out", str(tmp_path / "none" / "b.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main(["bench", str(DIGITS), "--sigma", "0.5"]) == 2
