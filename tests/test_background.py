"""The suite in the background of a shell, where scripts start with Ctrl-C ignored."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# One that sends it to a command, one that sends it to a script of its own.
TESTS = (
    "tests/qrobust/certify/test_manners.py::test_a_second_signal_ends_at_once",
    "tests/tflite_export/sandbox/test_child.py::test_no_orphans[2]",
)
INHERITED = "import signal\ndef test_it():\n    assert signal.getsignal(2) is signal.SIG_IGN\n"


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


def test_tests_that_press_ctrl_c_pass_in_the_background(tmp_path):
    """The third test sees that the signal is ignored there, as in a script of a user."""
    (tmp_path / "test_inherited.py").write_text(INHERITED)
    done = in_background(*TESTS, tmp_path / "test_inherited.py")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
