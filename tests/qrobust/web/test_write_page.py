"""What `write_page` writes, and what it refuses."""

import json
import re
import shutil

import numpy as np
import pytest
from house import ROOT

from qrobust import cli
from qrobust.certify import CertifyError
from qrobust.certify.run.data import Data
from qrobust.web import write_page

MODELS = ROOT / "models"
DIGITS = MODELS / "digits" / "model.tflite"
ZEROS = Data(np.zeros((2, 8, 8, 1), np.uint8))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    for name in ("clang", "wasm-ld"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("page")
    write_page(DIGITS, folder, name="<b>", n=(100,), samples=ZEROS, labels=list("abcdefghij"))
    return folder


def test_the_page_asks_nobody_but_its_own_folder(page):
    for path in page.iterdir():
        if path.suffix in (".html", ".js", ".css", ".json", ".webmanifest", ".svg"):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(https?:)?//[a-z]", text), path.name
    head = (page / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', head)[1]
    assert policy.startswith("default-src 'none';") and "unsafe-inline" not in policy
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", head)


def test_every_file_is_kept_for_use_without_a_network(page):
    worker = (page / "service-worker.js").read_text()
    files = set(re.findall(r"'([^']+)'", re.search(r"FILES = \[(.*)\]", worker)[1]))
    assert files == {"./"} | {p.name for p in page.iterdir()} - {"service-worker.js"}
    assert "@" not in worker


def test_the_module_imports_nothing(page):
    content = (page / "certify.wasm").read_bytes()
    sections, at = [], 8
    while at < len(content):
        kind, at, size, shift = content[at], at + 1, 0, 0
        while True:
            byte, at = content[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        sections.append(kind)
        at += size
    assert 10 in sections and 2 not in sections  # code, and no imports


def test_another_model_is_another_version(page, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    same = {"name": "<b>", "samples": ZEROS, "labels": list("abcdefghij")}
    write_page(DIGITS, again, n=(100,), **same)
    write_page(DIGITS, other, n=(101,), **same)
    first, second, third = ((p / "service-worker.js").read_text() for p in (page, again, other))
    assert first == second != third


def test_what_the_page_knows(page):
    about = json.loads((page / "model.json").read_text())
    assert about["input"] == {"height": 8, "width": 8, "channels": 1, "zero_point": -128}
    assert about["labels"] == list("abcdefghij") and about["samples"] == {"labels": [None, None]}
    assert [run["samples"] for run in about["runs"]] == [100]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": ["one"]}, "1 labels were given, the file has 10 classes"),
        ({"n": ()}, "needs a number of noisy copies"),
        ({"n": (3,)}, "n"),
        ({"samples": Data(np.zeros((1, 9, 9, 1), np.uint8))}, "image 0"),
        ({"samples": Data(np.zeros((1, 8, 8, 1)))}, "integers from 0 to 255"),
        ({"samples": Data(np.full((1, 8, 8, 1), 256))}, "image 0"),
        ({"samples": Data(np.zeros((101, 8, 8, 1), np.uint8))}, "at most 100"),
        ({"compiler": "no-such-clang"}, "apt-get install clang lld"),
    ],
)
def test_what_is_refused(options, said, tmp_path):
    with pytest.raises(CertifyError, match=said):
        write_page(DIGITS, tmp_path / "page", **{"n": (100,), **options})
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("digits_splits", "this file counts splits"), ("kws_dscnn_w4a8", "the page takes pictures")],
)
def test_networks_that_a_page_does_not_take(name, said, tmp_path, capsys):
    model = MODELS / name / "model.tflite"
    assert cli.main(["web", str(tmp_path / "page"), "--model", str(model), "-n", "100"]) == 2
    assert said in capsys.readouterr().err
