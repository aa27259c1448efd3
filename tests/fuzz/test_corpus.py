"""Files that broke this project once: every command refuses them with status 2 and one line."""

import io
import json
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import Certifier, CertifyError, load_data
from qrobust.certify.file.metadata import write_metadata
from qrobust.certify.file.smoothing_spec import METADATA_NAME
from tests.fuzz.commands import REFUSED, commands, judged
from tflite_export.contract import contract_problem
from tflite_export.row_wise import read_model

CORPUS = Path(__file__).parent / "corpus"
MODEL = Path(__file__).parents[2] / "models" / "digits" / "model.tflite"


def files(kind):
    found = sorted((CORPUS / kind).iterdir())
    assert found
    return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "d.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 17, (20, 8, 8, 1)).astype(np.uint8))
    return path


def refused(capsys, *words):
    status = cli.main([str(word) for word in words])
    (line,) = capsys.readouterr().err.splitlines()
    return status == 2 and line.startswith("error: ") and line.isprintable()


@files("file")
def test_networks(path, data, tmp_path, capsys):
    arguments = ("--out", tmp_path / "c.jsonl", "--quiet", "--n", "200")
    assert refused(capsys, "certify", path, data, *arguments)
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.ordinary(2)
@files("file")
def test_networks_through_every_command_that_runs_one(path, tmp_path):
    """No traceback, and no process that ends, whoever opens the file."""
    lines = commands(path, tmp_path)
    for name in ("audit", "verify", "attack", "parity"):
        kind, text = judged(lines[name])
        assert kind == REFUSED, f"{name}: {text}"


def signature(model):
    model.subgraphs[0].tensors[5].shapeSignature = np.array([1, 2**31 - 1, 1, -1, 1], np.int32)


def dangling(model):
    model.metadata[0].buffer = 2**32 - 1


@pytest.mark.parametrize("change", [signature, dangling])
def test_fields_that_no_runtime_reads_change_no_integer(change, data, tmp_path):
    """Four files that ended a process once differ from a good one in nothing else."""
    model = read_model(MODEL.read_bytes())
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytes(builder.Output())
    assert content != MODEL.read_bytes() and not contract_problem(content)
    x = np.random.default_rng(0).integers(0, 17, (8, 8, 1))
    votes = []
    for file in (MODEL.read_bytes(), content):
        with Certifier(file, sigma="64", seed=1, threads=1) as certifier:
            votes.append(certifier.votes(x, 200).tolist())
    assert votes[0] == votes[1]


@files("spec")
def test_specs(path, data, tmp_path, capsys):
    """A small text costs no minute, wherever it is met."""
    file = tmp_path / "m.tflite"
    file.write_bytes(write_metadata(MODEL.read_bytes(), METADATA_NAME, path.read_bytes()))
    began = time.process_time()
    assert refused(capsys, "inspect", file)
    assert refused(capsys, "certify", file, data, "--out", tmp_path / "c.jsonl")
    assert time.process_time() - began < 10  # minutes once; no claim about speed


@files("npz")
def test_archives(path, tmp_path, capsys):
    with pytest.raises(CertifyError):
        load_data(path)
    assert refused(capsys, "certify", MODEL, path, "--out", tmp_path / "c.jsonl")


@pytest.mark.parametrize(
    "option",
    [
        ("--alpha", "1e-9999999"),
        ("--alpha", "1e9999999"),
        ("--sigma", "1e999999999"),
        ("--sigma", "1e-9999999"),
        ("--sigma", "1" * 100_000),
        ("--radius", "1e999999999"),
        ("--gain", "1e-999999999"),
        ("--n", "1" * 4000),
        ("--batch", "1" * 30),
    ],
    ids=lambda option: f"{option[0]} {option[1][:12]}",
)
def test_numbers_on_the_command_line(option, data, tmp_path, capsys):
    began = time.process_time()
    assert refused(capsys, "certify", MODEL, data, "--out", tmp_path / "c.jsonl", *option)
    assert time.process_time() - began < 10


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 500_000


def test_what_is_tested_is_the_damage(data, tmp_path, capsys):
    """The undamaged model passes the same command."""
    arguments = ("certify", MODEL, data, "--out", tmp_path / "c.jsonl", "--quiet", "--n", "200")
    options = ("--allow-constant", "--json", "--limit", "2")
    assert cli.main([str(word) for word in (*arguments, *options)]) == 0
    assert json.load(io.StringIO(capsys.readouterr().out))["images"] == 2
