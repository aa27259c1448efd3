"""The figures show what was measured, and the picture of the README what the file says."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tool(name):
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures():
    return tool("figures")


def test_the_promise_is_what_the_file_says(monkeypatch):
    promise = tool("promise")
    assert promise.FIGURE.read_text(encoding="utf-8") == promise.svg()
    assert promise.FIGURE.relative_to(ROOT).as_posix() in (ROOT / "README.md").read_text()
    monkeypatch.setattr(promise, "_N", 1000)  # fewer votes are another promise
    assert promise.FIGURE.read_text(encoding="utf-8") != promise.svg()


def test_the_gallery_shows_what_was_measured(figures):
    assert figures.changed() == [], "run python tools/figures.py"
    gallery = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    for name in (*figures.FIGURES, "promise"):
        assert f"(figures/{name}.svg)" in gallery


def test_a_figure_of_other_numbers_is_told(figures, tmp_path, monkeypatch):
    for name in figures.FIGURES:
        (tmp_path / f"{name}.svg").write_bytes((figures.FOLDER / f"{name}.svg").read_bytes())
    (tmp_path / "twin.svg").unlink()
    drawn, drawing, size = figures.FIGURES["defence"]
    more = {**drawn(), "undefended": [[0.0, 1, 300]]}
    other = {**figures.FIGURES, "defence": (lambda: more, drawing, size)}
    monkeypatch.setattr(figures, "FIGURES", other)
    assert figures.changed(tmp_path) == ["defence", "twin"]


@pytest.mark.parametrize("name", ["curves", "counted", "families", "naive"])
def test_each_kind_of_figure_is_drawn(figures, tmp_path, name):
    figures.draw(name, tmp_path / "f.svg")
    text = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert text.count("<path") > 5 and figures.changed(tmp_path) != []
