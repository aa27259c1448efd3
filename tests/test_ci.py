"""What CI's scripts do with what they start, on stand-ins for pip, pytest and the rest."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
CI = PROJECT / ".ci"

pytestmark = pytest.mark.skipif(
    not CI.is_dir() or not shutil.which("git"), reason="no .ci in this folder, or no git"
)


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


# "freeze" says another version once something was upgraded; every call is noted.
PIP = """
echo "pip $*" >> "$CALLS"
case "$*" in
  freeze) if [ -e upgraded ]; then echo keras==9.1; else echo keras==3.15; fi ;;
  *--upgrade*) touch upgraded ;;
esac"""


@pytest.fixture
def environment(tmp_path):
    """A folder with an environment of stand-ins, and what to start in it."""
    calls = tmp_path / "calls"
    calls.write_text("")

    def run(*command, cwd=tmp_path, **variables):
        words = {"PATH": os.environ["PATH"], "CALLS": str(calls), "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            command, cwd=cwd, env=words | variables, capture_output=True, text=True, timeout=60
        )
        return done, calls.read_text().splitlines()

    program(tmp_path / ".venv/bin/pip", PIP)
    return tmp_path, run


def newest(environment, pytest_does, minutes="3"):
    folder, run = environment
    program(folder / ".venv/bin/pytest", pytest_does)
    done, _ = run(str(CI / "newest"), minutes, ".venv")
    assert done.returncode == 0
    return done.stdout


def test_what_fails_with_the_newest_is_said_and_fails_nothing(environment):
    out = newest(
        environment, "echo noise; echo 'FAILED tests/a.py::b - E'; echo '1 failed'; exit 1"
    )
    assert "\nkeras==9.1\n" in out and "FAILED tests/a.py::b - E" in out and "1 failed" in out
    assert "noise" not in out


def test_tests_that_end_otherwise_show_their_last_lines(environment):
    assert "broken plugin" in newest(environment, "echo 'broken plugin'; exit 3")


def test_where_pip_has_nothing_newer_no_test_runs(environment):
    folder, _ = environment
    program(folder / ".venv/bin/pip", "echo keras==3.15")
    out = newest(environment, "echo ran")
    assert "nothing: the tests have run with the newest ones already" in out and "ran\n" not in out


@pytest.fixture
def clone(tmp_path):
    """A repository with CI's scripts, whose two commands make an environment of stand-ins."""
    work = tmp_path / "clone"
    shutil.copytree(CI, work / ".ci")
    (work / "README.md").write_text(
        "python3 -m venv .venv && .venv/bin/qrobust quickstart\n"
        "python3 -m venv .venv && .venv/bin/pytest -n 2\n"
    )
    bench = 'echo "$*" >> "$CALLS"; case "$*" in *kills*) exit ${KILLS_STATUS:-0} ;; esac'
    made = {"pip": PIP, "python": bench, "qrobust": ":", "pytest": 'echo "pytest $*" >> "$CALLS"'}
    for name, text in made.items():
        program(tmp_path / "made/bin" / name, text)
    program(tmp_path / "bin/python3", f"cp -r {tmp_path}/made .venv 2>/dev/null; true")
    git = ("git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(work))
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        subprocess.run([*git, *words], check=True, timeout=60)
    return work, f"{tmp_path}/bin:{os.environ['PATH']}"


def test_every_suite_runs_and_the_newest_comes_last(environment, clone):
    (_, run), (work, path) = environment, clone
    done, calls = run(str(work / ".ci/run"), "all", cwd=work, PATH=path)
    assert done.returncode == 0, done.stderr
    ran = [call for call in calls if call.startswith(("pytest", "benchmarks"))]
    assert ran[0] == "pytest -n 2" and ran[-1] == "pytest -n 2 -q"
    assert any("-m slow" in call for call in ran) and any("fuzzing" in call for call in ran)
    assert "\nkeras==9.1\n" in done.stdout


def test_a_suite_that_fails_is_named_after_the_others_have_run(environment, clone):
    (_, run), (work, path) = environment, clone
    done, calls = run(str(work / ".ci/run"), "all", cwd=work, PATH=path, KILLS_STATUS="1")
    assert done.returncode == 1 and done.stderr.endswith("failed: kills\n")
    assert any("fuzzing" in call for call in calls)


def test_without_time_the_suites_are_left_out_by_name(environment, clone):
    (_, run), (work, path) = environment, clone
    script = work / ".ci/run"
    script.write_text(script.read_text().replace("minutes=50", "minutes=3"))
    done, calls = run(str(script), "all", cwd=work, PATH=path)
    assert done.returncode == 0
    assert "slow: left out" in done.stdout and "newest: left out" in done.stdout
    assert not any("-m slow" in call or "--upgrade" in call for call in calls)


def test_the_slower_suites_are_run_where_asked_for_and_said_to_be_left_out_else(environment, clone):
    (_, run), (work, path) = environment, clone
    done, calls = run(str(work / ".ci/run"), cwd=work, PATH=path)
    assert done.returncode == 0 and "slower suites are left out" in done.stdout
    assert not any("-m slow" in call or "fuzzing" in call for call in calls)
    assert any("--upgrade" in call or call == "pytest -n 2 -q" for call in calls)
