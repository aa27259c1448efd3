"""The quickstart on a small scale: everything it does, with fewer epochs, digits and votes."""

import json

import pytest

from qrobust import cli
from qrobust.quickstart.run import Settings, quickstart


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("quickstart")
    settings = Settings(epochs=8, images=10, n=1000, n0=50)
    return out, quickstart(out, settings)


def test_the_summary_holds_what_it_promises(run):
    out, summary = run
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["clean_accuracy"] > 0.85
    assert summary["inputs_compared"] == 500
    assert set(summary["parity"].values()) == {0}
    assert summary["certified_accuracy"].keys() == summary["baseline_certified_accuracy"].keys()
    assert summary["certified_images"] == 10


def test_everything_is_written(run):
    out, _ = run
    written = {path.name for path in out.iterdir()}
    assert written >= {
        "model.keras",
        "model.tflite",
        "certificates.jsonl",
        "report.md",
        "report.png",
        "votes.png",
        "data.npz",
    }
    assert "| LiteRT XNNPACK" in (out / "report.md").read_text()


def audit(out, journal="certificates.jsonl"):
    arguments = [str(out / name) for name in (journal, "model.tflite", "data.npz")]
    return cli.main(["audit", *arguments, "--quiet"])


def test_every_certificate_is_reproduced(run, capsys):
    assert audit(run[0]) == 0
    assert "10 certificates, 0 do not stand" in capsys.readouterr().out


def test_an_edited_vote_is_caught(run, capsys):
    out, _ = run
    lines = (out / "certificates.jsonl").read_text().splitlines()
    edited = json.loads(lines[4])
    edited["votes"][0] += 1
    lines[4] = json.dumps(edited)
    (out / "edited.jsonl").write_text("\n".join(lines) + "\n")
    assert audit(out, "edited.jsonl") == 1
    assert "line 5, image 3" in capsys.readouterr().out


def test_a_full_folder_is_left_alone(run, capsys):
    assert cli.main(["quickstart", "--out", str(run[0])]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["quickstart", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "file" in capsys.readouterr().err
