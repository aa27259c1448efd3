"""``qrobust report`` with everything that goes into the page."""

import numpy as np
import pytest

from qrobust.certify.cli import main
from qrobust.certify.commands import report

from .test_cli import certify, place  # noqa: F401

pytest.importorskip("jinja2")


def run(*extra):
    return main(["report", "c.jsonl", *extra, "--out", "r"])


@pytest.fixture
def journals(place):  # noqa: F811
    assert certify() == 0
    assert certify("--radius", "5", out="s.jsonl") == 0
    return place


def test_the_page_is_written_beside_the_tables(journals, capsys):
    everything = ["--model", "m.tflite", "--data", "d.npz", "--also", "early=s.jsonl"]
    assert run(*everything, "--title", "mine", "--images", "3", "4") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("report.html")
    text = (journals / "r" / "report.html").read_text()
    assert "<title>Certified robustness: mine</title>" in text
    assert "qrobust audit c.jsonl m.tflite d.npz" in text
    assert "early" in text and "sequential_early" not in text
    assert text.count("<details") == 2 and "Image 3" in text
    before = {path.name: path.read_bytes() for path in (journals / "r").iterdir()}
    assert run() == 2  # never silently over another report
    assert "r holds certified_accuracy.csv, report.md" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (journals / "r").iterdir()} == before
    assert run("--overwrite") == 0  # nothing else needed
    assert "no pictures" in (journals / "r" / "report.html").read_text()


def test_what_does_not_belong_together_is_refused_before_anything_is_written(journals, capsys):
    x = np.load("d.npz")["x"]
    np.savez("other.npz", x=x[::-1])
    assert certify(data="other.npz", out="o.jsonl") == 0
    (journals / "deep").mkdir()
    (journals / "deep" / "c.jsonl").write_bytes((journals / "c.jsonl").read_bytes())
    capsys.readouterr()
    for extra, message in (
        (["--data", "other.npz"], "holds other inputs"),
        (["--also", "o.jsonl"], "is about other inputs"),
        (["--also", "c.jsonl"], "two journals are called c; name one"),
        (["deep/c.jsonl"], "two journals are called c; name one"),
        (["--images", "12"], "no certificate of image 12"),
        (["--attack", "d.npz"], "d.npz"),
        (["--summary", "none.json"], "cannot read none.json"),
        (["--data", "."], "--data of pictures or sounds needs --model"),
    ):
        assert run(*extra) == 2, extra
        assert message in capsys.readouterr().err, extra
        assert not (journals / "r").exists()


def test_without_jinja2_the_tables_are_written_and_it_says_what_is_missing(
    journals, capsys, monkeypatch
):
    monkeypatch.setattr(report, "can_write_page", lambda: False)
    assert run() == 0
    assert "no report.html: it needs pip install 'qrobust[report]'" in capsys.readouterr().err
    assert (journals / "r" / "report.md").exists()
    assert not (journals / "r" / "report.html").exists()
    assert run("--data", "d.npz") == 2
    assert "--data is for the page" in capsys.readouterr().err


def test_a_published_table_is_a_curve_beside_and_no_page_of_its_own(journals, capsys):
    assert certify("--tsv", "t.tsv") == 0
    assert main(["report", "t.tsv", "mine=c.jsonl", "--out", "r"]) == 0
    text = (journals / "r" / "report.html").read_text()
    assert "<title>Certified robustness: mine</title>" in text
    assert text.index('<th scope="col">mine</th>') < text.index('<th scope="col">t</th>')
    assert main(["report", "t.tsv", "--out", "alone"]) == 0
    assert not (journals / "alone" / "report.html").exists()
    assert main(["report", "t.tsv", "--out", "x", "--data", "d.npz"]) == 2
    assert "is about a journal; none was given" in capsys.readouterr().err


def test_help_describes_and_gives_examples(capsys):
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    shown = capsys.readouterr().out
    assert "that needs no network" in shown and "qrobust report certificates.jsonl" in shown
