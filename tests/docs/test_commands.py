"""Commands in the documents: they run, and every option that they name exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "benchmarks"))

import render  # noqa: E402

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


def test_every_option_that_a_document_names_exists():
    wrong = []
    for path in DOCUMENTS:
        for code in snippets(path.read_text()):
            for name, rest in re.findall(r"\bqrobust (\w+)([^|&;]*)", code):
                if name not in COMMANDS:
                    continue
                known = {o for a in COMMANDS[name]._actions for o in a.option_strings}
                wrong += [f"{path.name}: {name} {o}" for o in options(rest) if o not in known]
    assert not wrong


def test_every_benchmark_that_a_document_names_exists_and_takes_what_is_named():
    wrong, named = [], set()
    for path in [*DOCUMENTS, *PROJECT.glob("benchmarks/*.py")]:
        text = path.read_text()
        codes = (
            snippets(text)
            if path.suffix == ".md"
            else re.findall(r"^    (python benchmarks/.*?)\n\n", text, re.DOTALL | re.MULTILINE)
        )
        for code in codes:
            for name, rest in re.findall(r"benchmarks/(\w+\.py)([^|&;]*)", code):
                script = PROJECT / "benchmarks" / name
                if not script.exists():
                    wrong.append(f"{path.name}: benchmarks/{name}")
                    continue
                named.add(name)
                source = script.read_text()
                if "results.add_arguments(" in source:
                    source += '"--record" "--tiny"'
                wrong += [
                    f"{path.name}: {name} {o}" for o in options(rest) if f'"{o}"' not in source
                ]
    assert not wrong and len(named) > 8


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


def test_the_commands_of_the_walk_run_as_they_are_written(tmp_path):
    """Each line by itself, from a folder in which the project's folders are at hand."""
    for name in ("models", "benchmarks", "docs"):
        (tmp_path / name).symlink_to(PROJECT / name)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    lines = walk()
    assert len(lines) > 9
    for line in lines:
        words = shlex.split(line)
        if words[0] == "qrobust":
            words = [sys.executable, "-m", "qrobust.cli", *words[1:]]
        elif words[0] == "python":
            words = [sys.executable, *words[1:]]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    written = {path.name for path in (tmp_path / "walk").iterdir()}
    assert written >= {"model.tflite", "certificates.jsonl", "report", "firmware", "device.cc"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_links_of_a_document_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
