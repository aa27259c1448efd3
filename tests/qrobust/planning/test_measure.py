import hashlib
import json
import platform
from pathlib import Path

import pytest

from qrobust.certify import CertifyError
from qrobust.cli import main
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
    assert [(row.request, row.threads) for row in bench.votes] == [
        (64, 1), (4096, 1), (64, 2), (4096, 2)
    ]  # fmt: skip
    assert bench.subject.sha256 == hashlib.sha256(DIGITS.read_bytes()).hexdigest()
    assert (bench.subject.sigma, bench.subject.input) == ("64", (8, 8, 1))


def test_rates_are_what_they_must_be(bench):
    one = {row.batch: row.per_cpu_s for row in bench.inferences if row.threads == 1}
    assert one[1] < one[64]  # a call costs something
    votes = {row.request: row.per_cpu_s for row in bench.votes if row.threads == 1}
    assert votes[64] < votes[4096] < one[64]  # noise costs something, too
    assert 0 < bench.start_s < 20
    assert 0 <= bench.certificate_s < 1


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
        ({"seconds": 0}, "must lie in"),
        ({"sigma": 3}, "contradicts the file's smoothing spec"),
    ],
)
def test_what_cannot_be_measured(change, message):
    with pytest.raises(CertifyError, match=message):
        measure(DIGITS, **({"seconds": 0.001, "rounds": 1} | change))
    with pytest.raises(CertifyError, match="a bundle's speed is its members'"):
        measure(b"QRBUNDLE" + bytes(8))


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
    assert main(["bench", str(DIGITS), "--sigma", "0.5"]) == 2
