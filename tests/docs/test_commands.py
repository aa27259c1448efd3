"""Commands in the documents: they run, and every option that they name exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "benchmarks"))

import render  # noqa: E402

from qrobust import cli  # noqa: E402

DOCUMENTS = sorted(
    [
        *PROJECT.glob("*.md"),
        *PROJECT.glob("docs/**/*.md"),
        *PROJECT.glob("models/**/*.md"),
        *PROJECT.glob("examples/**/*.md"),
        *PROJECT.glob("tests/**/*.md"),
    ]
)
COMMANDS = render.subcommands()


def snippets(text):
    """Code of a document: fenced lines and what stands between backticks."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", rest)]
    return [line for block in fenced for line in block.splitlines()] + inline


def options(code):
    return re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", code)


def unknown_options(text):
    """Options of ``qrobust`` in a document that its commands do not have."""
    wrong = []
    for code in snippets(text):
        for first, second, rest in re.findall(r"\bqrobust (\w+)( \w+)?([^|&;]*)", code):
            name = first + second if first + second in COMMANDS else first
            if name in COMMANDS:
                known = {o for a in COMMANDS[name]._actions for o in a.option_strings}
                wrong += [f"{name} {o}" for o in options(rest) if o not in known]
    return wrong


def unknown_benchmarks(codes):
    """Benchmarks, and their options, that do not exist."""
    wrong = []
    for code in codes:
        for name, rest in re.findall(r"benchmarks/(\w+\.py)([^|&;]*)", code):
            script = PROJECT / "benchmarks" / name
            source = script.read_text() if script.exists() else ""
            if "results.add_arguments(" in source:
                source += '"--record" "--tiny"'
            wrong += [] if source else [name]
            wrong += [f"{name} {o}" for o in options(rest) if f'"{o}"' not in source]
    return wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_what_a_document_tells_to_type_exists(path):
    text = path.read_text()
    assert unknown_options(text) == []
    assert unknown_benchmarks(snippets(text)) == []


@pytest.mark.parametrize("path", sorted(PROJECT.glob("benchmarks/*.py")), ids=lambda p: p.name)
def test_the_usage_in_a_benchmark_exists(path):
    usage = re.findall(
        r"^    (python benchmarks/.*?)\n\n", path.read_text(), re.DOTALL | re.MULTILINE
    )
    assert unknown_benchmarks(usage) == []


def test_a_command_that_does_not_exist_is_noticed():
    text = (
        "Run `qrobust certify M.tflite\n--nonsense 3`, or\n\n```\nqrobust train X --seed 3\n```\n"
    )
    assert unknown_options(text) == ["train --seed", "certify --nonsense"]
    text = "`python benchmarks/parity.py --inputs 3 --nothing` and `python benchmarks/gone.py`"
    assert unknown_benchmarks(snippets(text)) == ["parity.py --nothing", "gone.py"]


def test_every_option_says_what_it_does():
    silent = [
        f"{name} {render.option_name(action)}"
        for name, parser in COMMANDS.items()
        for action in parser._actions
        if not action.help
    ]
    assert not silent


def walk():
    text = (PROJECT / "docs" / "commands.md").read_text()
    return re.search(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1].splitlines()


@pytest.mark.thorough
def test_the_commands_of_the_walk_run_as_they_are_written(tmp_path, monkeypatch, capsys):
    """Each line by itself, from a folder in which the project's models are at hand."""
    (tmp_path / "models").symlink_to(PROJECT / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    lines = walk()
    assert len(lines) > 9
    for line in lines:
        program, *words = shlex.split(line)
        if program == "qrobust":
            status = cli.main(words)
        else:
            found = [sys.executable] if program == "python" else [program]
            status = subprocess.run([*found, *words], check=False).returncode
        assert status == 0, f"{line}\n{capsys.readouterr().err}"
    written = {path.name for path in (tmp_path / "walk").iterdir()}
    assert written >= {"model.tflite", "certificates.jsonl", "report", "firmware", "device.cc"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_links_of_a_document_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
