"""The roads of docs/roads are walked, in their short forms, from an empty folder."""

import runpy
import shlex
import shutil
import sys
import time

import pytest
import roads

from qrobust import cli


def inside(lines, shell):
    """Run what is Python in this process, where TensorFlow is loaded once; the rest in a shell."""
    for line in lines.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line) or [""]
        if program == "qrobust":
            assert cli.main(words) == 0, line
        elif program == "python" and words[0].endswith(".py"):
            before, sys.argv = sys.argv, words
            try:
                runpy.run_path(words[0], run_name="__main__")
            finally:
                sys.argv = before
        else:
            shell(line)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("name", roads.ROADS)
def test_a_road_leads_where_it_says(name, tmp_path, monkeypatch):
    if name == "microcontroller" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler, cc")
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    began = time.perf_counter()
    steps = roads.walk(name, folder, short=True, run=inside)
    commands = sum(step.commands for step in steps)
    files = sum(bool(step.file) for step in steps)
    minutes = (time.perf_counter() - began) / 60
    print(f"{name}: {commands} commands, {files} files, {minutes:.1f} minutes")
    assert 4 < commands < 12 and files < 5
    assert str(roads.results.PROJECT) not in "".join(step.text for step in steps)


def page(tmp_path, monkeypatch, text):
    (tmp_path / "road.md").write_text(text)
    monkeypatch.setattr(roads, "FOLDER", tmp_path)
    (tmp_path / "walk").mkdir()
    return lambda: roads.walk("road", tmp_path / "walk", short=True)


def test_a_line_that_fails_is_named(tmp_path, monkeypatch):
    walk = page(tmp_path, monkeypatch, '```sh\ntrue\nfalse "of this"\ntrue\n```\n')
    with pytest.raises(RuntimeError, match='exit status 1:\ntrue\nfalse "of this"'):
        walk()


def test_a_road_that_leaves_less_than_it_says_is_named(tmp_path, monkeypatch):
    walk = page(tmp_path, monkeypatch, "<!-- leaves: a b -->\n```sh\ntouch a\n```\n")
    with pytest.raises(RuntimeError, match=r"road\.md: the road leaves no b"):
        walk()


def test_blocks_become_files_lines_and_short_forms():
    text = (
        "<!-- short: 20 => 1 -->\n<!-- short: b => c -->\n\n"
        "```python title=\"a.py\"\nx = 20, 'b'\n```\n"
        "```\nonly shown\n```\n```python\nshown, too\n```\n```sh\none \\\n  more\n\ntwo\n```\n"
    )
    made, run = roads.steps_of(text, short=True)
    assert made == roads.Step("a.py", "x = 1, 'c'\n") and made.commands == 0
    assert run.file == "" and run.commands == 2
    assert roads.steps_of(text, short=False)[0].text == "x = 20, 'b'\n"
    with pytest.raises(ValueError, match="'21' is to be shortened"):
        roads.steps_of(text.replace("20 =>", "21 =>"), short=False)
