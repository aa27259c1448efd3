"""Bundles on the other commands: shown and reported, or refused by name."""

import hashlib
import re

import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import SmoothingSpec, attach_spec, c99

from .bundles import BUNDLES, MEMBERS, SHAPE

RULES = {
    "draw": "bundle of 3 files, rule draw: weights 1, 2, 1",
    "adaptive": "bundle of 3 files, rule adaptive: weights 3, 2, 1; stops at margins of 500, 640",
    "consensus": "bundle of 3 files, rule consensus: weights 1, 1, 1; asks the first 2",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for rule, bundle in BUNDLES.items():
        (tmp_path / f"{rule}.bundle").write_bytes(bundle.to_bytes())
    x = np.random.default_rng(3).integers(0, 256, (3, *SHAPE)).astype(np.uint8)
    np.savez("d.npz", x=x, y=[0, 1, 2])
    return tmp_path


@pytest.mark.parametrize("rule", RULES)
def test_inspect_says_how_it_answers_and_shows_every_member(folder, capsys, rule):
    assert cli.main(["inspect", f"{rule}.bundle"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(RULES[rule] + "\n")
    assert [f"member {k}" in said.splitlines() for k in (1, 2, 3, 4)] == [True, True, True, False]
    assert said.count("FULLY_CONNECTED") == 3


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("rule", RULES)
def test_a_report_shows_the_members_of_a_bundle(folder, rule, capsys):
    pytest.importorskip("jinja2")
    options = ["--sigma", "8", "--classes", "3", "--n", "100", "--n0", "10", "--quiet", "--trusted"]
    assert cli.main(["certify", f"{rule}.bundle", "d.npz", "--out", "c.jsonl", *options]) == 0
    words = ["--out", "r", "--model", f"{rule}.bundle", "--data", "d.npz", "--images", "0"]
    assert cli.main(["report", "c.jsonl", *words]) == 0
    page = (folder / "r" / "report.html").read_text()
    assert RULES[rule] in page and page.count("FULLY_CONNECTED") == 3
    assert "member 3" in page and BUNDLES[rule].sha256 in page
    other = next(name for name in RULES if name != rule)
    words = ["--out", "s", "--model", f"{other}.bundle"]
    assert cli.main(["report", "c.jsonl", *words]) == 2
    capsys.readouterr()


def test_a_deadline_of_a_bundle_is_certified_and_audited(folder, capsys):
    options = ["--sigma", "8", "--classes", "3", "--quiet"]
    words = ["certify", "adaptive.bundle", "d.npz", "--out", "c.jsonl", "--deadline", "30"]
    assert cli.main([*words, *options]) == 0
    assert "deadline_ms" in (folder / "c.jsonl").read_text()
    assert cli.main(["audit", "c.jsonl", "adaptive.bundle", "d.npz", "--quiet"]) == 0
    assert "0 do not stand" in capsys.readouterr().out


REFUSING = {
    "verify": ["verify", "MODEL", "d.npz", "--family", "light:1", "--out", "p.jsonl"],
    "bounds": ["verify", "MODEL", "d.npz", "--pixel-bounds", "1", "--out", "p.jsonl"],
    "bench": ["bench", "MODEL"],
    "attack": ["attack", "MODEL", "d.npz", "--out", "a.json"],
    "faults": ["attack", "MODEL", "d.npz", "--bit-flips", "1", "--out", "a.json"],
    "members": ["bundle", "MODEL", "MODEL", "--rule", "consensus", "--out", "b.bundle"],
    "corrupt": ["corrupt", "MODEL", "d.npz"],
    "parity": ["parity", "m.keras", "MODEL"],
    "web": ["web", "page", "--model", "MODEL"],
    "family": ["certify", "MODEL", "d.npz", "--out", "c.jsonl", "--family", "light:1"],
}


@pytest.mark.parametrize("name", REFUSING)
def test_what_takes_one_file_refuses_a_bundle_by_name(folder, capsys, name):
    before = set(folder.rglob("*"))
    words = [word.replace("MODEL", "draw.bundle") for word in REFUSING[name]]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    words = "this is a bundle of several files, which certify, audit, report and inspect take"
    assert words in line
    assert set(folder.rglob("*")) == before


def test_a_bundle_is_no_keras_model(folder, capsys):
    assert cli.main(["export", "draw.bundle", "m.tflite"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a bundle of .tflite files" in line


def test_a_bundle_becomes_c_or_nothing_is_written(folder, capsys):
    """The device's road: the hash of the file in its header, sizes said; no table, no files."""
    for k, member in enumerate(MEMBERS):
        spec = SmoothingSpec.for_model(member, sigma=8, tables=((60, "0.01"),))
        (folder / f"{k}.tflite").write_bytes(attach_spec(member, spec))
        (folder / f"plain{k}.tflite").write_bytes(member)
    words = ["--rule", "consensus", "--out", "c.bundle", "--c99", "firmware"]
    before = set(folder.rglob("*"))
    assert cli.main(["bundle", "plain0.tflite", "plain1.tflite", *words]) == 2
    assert "no smoothing spec" in capsys.readouterr().err
    assert set(folder.rglob("*")) == before
    no_folder = [*words[:-1], "d.npz"]
    assert cli.main(["bundle", "0.tflite", "1.tflite", "2.tflite", *no_folder]) == 2
    assert "d.npz" in capsys.readouterr().err
    assert set(folder.rglob("*")) == before
    assert cli.main(["bundle", "0.tflite", "1.tflite", "2.tflite", *words]) == 0
    said = capsys.readouterr().out
    sha256 = hashlib.sha256((folder / "c.bundle").read_bytes()).hexdigest()
    assert f'#define BUNDLE_SHA256 "{sha256}"' in (folder / "firmware/bundle.h").read_text()
    sizes = re.search(r"arena: (\d+) bytes, shared by members of (.*); tables .*: (\d+) b", said)
    assert int(sizes[1]) == max(map(int, sizes[2].split(", ")))
    tables = (folder / "firmware/certifier_tables.h").read_text()
    assert f"{sizes[3]} bytes." in tables


def test_pictures_are_brought_to_what_a_bundle_takes(folder, capsys):
    from PIL import Image

    Image.fromarray(np.zeros((5, 4), np.uint8)).save("p.png")
    assert cli.main(["data", "inspect", "p.png", "--model", "draw.bundle"]) == 0
    assert "shape: [5, 4, 1]" in capsys.readouterr().out


def _of_several_tables(folder):
    """Members with two radius tables of one size, one of another, and two sequential tests."""
    for k, member in enumerate(MEMBERS):
        spec = SmoothingSpec.for_model(
            member,
            sigma=8,
            tables=((60, "0.01"), (60, "0.05"), (90, "0.01")),
            tests=(("3", 60, "0.01"), ("5", 60, "0.05")),
        )
        (folder / f"{k}.tflite").write_bytes(attach_spec(member, spec))
    members = [f"{k}.tflite" for k in range(len(MEMBERS))]
    return ["bundle", *members, "--rule", "consensus", "--out", "c.bundle", "--c99", "firmware"]


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("--table 90 --radius 3", ("n = 90, alpha = 0.01", "radius 3, n up to 60, alpha = 0.01")),
        ("--table 60 --radius 5 --alpha 0.05", ("n = 60, alpha = 0.05", "radius 5, n up to 60")),
        ("--alpha .05", ("n = 60, alpha = 0.05", "radius 5, n up to 60, alpha = 0.05")),
    ],
)
def test_one_of_several_tables_becomes_c(folder, capsys, words, written):
    asked = [*_of_several_tables(folder), *words.split()]
    assert cli.main(asked) == 0
    text = (folder / "firmware/certifier_tables.h").read_text()
    assert all(part in text for part in written)
    parts = words.split()
    given = dict(zip(parts[::2], parts[1::2], strict=True))
    n = given.get("--table")
    options = {"n": n and int(n), "radius": given.get("--radius"), "alpha": given.get("--alpha")}
    same = c99.bundle_files((folder / "c.bundle").read_bytes(), **options)
    assert same["certifier_tables.h"] == text
    assert same["certifier_tables.c"] == (folder / "firmware/certifier_tables.c").read_text()
    other = c99.bundle_files((folder / "c.bundle").read_bytes(), n=60, radius="3", alpha="0.01")
    assert other["certifier_tables.c"] != same["certifier_tables.c"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "say which n or alpha; the smoothing spec holds n=60 alpha=0.01, n=60 alpha=0.05, n="),
        (
            "--table 60",
            "one radius table with n=60; say which alpha; the smoothing spec holds n=60",
        ),
        ("--table 70", "need one radius table with n=70; the smoothing spec holds n=60 alpha"),
        ("--table 90", "need one sequential test; say which radius or alpha; the smoothing spec"),
        (
            "--table 90 --radius 4",
            "one sequential test at radius 4; the smoothing spec holds radius 3",
        ),
        ("--alpha .02", "no sequential test has alpha=0.02; the smoothing spec holds n=60 alpha"),
        ("--alpha many", "alpha"),
        ("--radius near --table 90", "radius"),
    ],
)
def test_no_table_is_chosen_by_guess(folder, capsys, words, said):
    asked = [*_of_several_tables(folder), *words.split()]
    before = set(folder.rglob("*"))
    assert cli.main(asked) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert set(folder.rglob("*")) == before


@pytest.mark.parametrize("words", ["--table 60", "--radius 3", "--alpha 0.01"])
def test_a_choice_of_tables_is_for_c(folder, capsys, words):
    asked = [*_of_several_tables(folder)[:-2], *words.split()]
    assert cli.main(asked) == 2
    assert f"{words.split()[0]} says which" in capsys.readouterr().err
    asked = ["bundle", "m.keras", "--draws", "2", "--out", "c.bundle", *words.split()]
    assert cli.main(asked) == 2
    assert words.split()[0] in capsys.readouterr().err
    assert not (folder / "c.bundle").exists()
