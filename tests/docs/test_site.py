"""The site: its menu and pages; where MkDocs is installed, that it builds and bites."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MENU = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]


def in_menu():
    return set(re.findall(r"[\w/]+\.md", MENU))


def test_every_page_of_the_menu_exists():
    assert len(in_menu()) > 30
    assert [page for page in sorted(in_menu()) if not (ROOT / page).is_file()] == []


def test_every_document_is_in_the_menu():
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")}
    lists = {p for p in here if p.startswith("docs/decisions/")} | {"docs/package_page.md"}
    assert here - lists - in_menu() == set()


def test_nothing_of_the_site_is_loaded_from_elsewhere():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text and "http" not in text
    assert "- offline" not in text  # its script comes from a host


@pytest.mark.parametrize(
    ("tag", "loads"),
    [
        ('<script src="https://unpkg.com/x"></script>', True),
        ("<img alt=x src=//host/p.png>", True),
        ('<link rel="stylesheet" href="http://host/s.css">', True),
        ('<iframe title="t"\n src="https://host/">', True),
        ('<a href="https://host/">read</a>', False),
        ('<script src="assets/x.js"></script>', False),
        ('<link rel="canonical" href="https://host/page.html">', False),
        ('<link rel="next" href="https://host/2.html">', False),
        ('<img alt="src=https://host/p.png" src="p.png">', False),
        ("<!-- <img src='https://host/p.png'> -->", False),
        ("<SCRIPT SRC=HTTPS://host/x.js></SCRIPT>", True),
        ('<img src="p.png" srcset="p.png 1x, https://host/p.png 2x">', True),
        ('<img alt="a > b, the canonical picture" src="https://host/p.png">', True),
        ('<video poster="https://host/p.png"></video>', True),
        ('<object data="//host/x"></object>', True),
        ('<p style="background: url(https://host/p.png)">x</p>', True),
        ("<style>@import 'https://host/s.css';</style>", True),
        ('<svg><image xlink:href="https://host/p.png"/></svg>', True),
        ('<meta http-equiv="refresh" content="0; url=https://host/">', True),
        ('<meta http-equiv="refresh" content="0; url=other.html">', False),
        ('<link rel="preconnect" href="https://host">', True),
        ("<code>&lt;img src=https://host/p.png&gt;</code>", False),
    ],
)
def test_what_a_browser_would_fetch_elsewhere_is_found(tag, loads, tmp_path):
    spec = importlib.util.spec_from_file_location("tool_site", ROOT / "tools/site.py")
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)
    assert bool(site.loaded_from_elsewhere(tag)) == loads
    (tmp_path / "a").mkdir()
    (tmp_path / "a/page.html").write_text(tag, encoding="utf-8")
    (tmp_path / "own.css").write_text("a{background:url(own.png)}", encoding="utf-8")
    assert len(site.found_in(tmp_path)) == loads
    (tmp_path / "own.css").write_text("@import url(https://host/s.css)", encoding="utf-8")
    assert len(site.found_in(tmp_path)) == loads + 1


@pytest.fixture
def copy(tmp_path):
    """A small project of the same settings."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed: pip install -e '.[docs]'")
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (
        "docs",
        "tools",
        "qrobust",
        "tflite_export",
        "examples",
        "models",
        "tests/ondevice",
    ):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.jsonl", "log")
        )
    for path in ROOT.glob("*.md"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_site_builds_and_a_link_to_nowhere_is_an_error(copy):
    build = [sys.executable, "tools/site.py", "--out", "site"]
    done = subprocess.run(build, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    page = (copy / "site/api/qrobust.layers.html").read_text(encoding="utf-8")
    assert "GridNoise" in page and "Jacobian" in page
    assert "GridNoise" in (copy / "site/search/search_index.json").read_text(encoding="utf-8")
    for path in (copy / "site").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="https?://', text), path
    faults = (
        "[x](nowhere.md)",
        "[x](attacks.md#no-such-anchor)",
        "![x](https://elsewhere.example/picture.png)",
    )
    for fault in faults:
        page = copy / "docs/glossary.md"
        before = page.read_text(encoding="utf-8")
        page.write_text(f"{before}\n{fault}\n", encoding="utf-8")
        done = subprocess.run(build, cwd=copy, capture_output=True, text=True, check=False)
        page.write_text(before, encoding="utf-8")
        assert done.returncode != 0 and re.search(r"glossary\.(md|html)", done.stderr), fault
