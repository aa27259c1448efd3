"""The suite in the background of a shell, where scripts start with Ctrl-C ignored."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# One that sends it to a command, one that sends it to a script of its own.
TESTS = (
    "tests/qrobust/certify/test_manners.py::test_a_second_signal_ends_at_once",
    "tests/tflite_export/sandbox/test_child.py::test_no_orphans[2]",
)
INHERITED = "import signal\ndef test_it():\n    assert signal.getsignal(2) is signal.SIG_IGN\n"
# What starts a child in which Ctrl-C counts, wherever this suite was started.
STARTS = {"default_signals", "start"}


def in_background(*tests):
    """Run tests as ``pytest ... &`` of a shell script; returns what pytest said."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    script = '"$@" & wait $!'
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        ["sh", "-c", script, "sh", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.thorough
def test_tests_that_press_ctrl_c_pass_in_the_background(tmp_path):
    """The third test sees that the signal is ignored there, as in a script of a user."""
    (tmp_path / "test_inherited.py").write_text(INHERITED)
    done = in_background(*TESTS, tmp_path / "test_inherited.py")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def presses_ctrl_c(source):
    """Whether code names the signal, and whether it takes a way to start who gets it."""
    nodes = list(ast.walk(ast.parse(source)))
    named = any(isinstance(node, ast.Attribute) and node.attr == "SIGINT" for node in nodes)
    taken = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "commands"
        for alias in node.names
    }
    return named, bool(taken & STARTS)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_whoever_presses_ctrl_c_starts_a_child_that_hears_it(folder):
    """So that the whole suite, too, can run in the background."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        named, starts = presses_ctrl_c(path.read_text())
        own = "default_int_handler" in path.read_text()  # the helper itself, and a benchmark's own
        if named and not (starts or own):
            found.append(path.relative_to(ROOT).as_posix())
    assert found == []


def test_a_test_that_presses_it_without_is_noticed():
    bare = "import os, signal\nos.kill(3, signal.SIGINT)\n"
    assert presses_ctrl_c(bare) == (True, False)
    assert presses_ctrl_c("from commands import start\n" + bare) == (True, True)
    assert presses_ctrl_c("from commands import wait_for\n" + bare) == (True, False)
