"""What benchmarks/bits.py keeps is of the file of changes that it is given."""

import subprocess
import sys
from pathlib import Path

import pytest

#: What is changed in the file, and the words of the refusal.
CHANGES = (
    ('"w2a4" = { weight_bits = 2 }', '"w2a4" = { weight_bits = 3 }', "weight_bits"),
    ("n = 100", "n = 200", "judged by other numbers"),
)
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bits.py"
TINY = SCRIPT.with_name("bits_tiny.toml")

pytestmark = pytest.mark.thorough


def run(changes, state):
    command = [sys.executable, str(SCRIPT), "--changes", str(changes), "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_a_state_of_other_changes_is_refused(tmp_path):
    text = TINY.read_text()
    changes = tmp_path / "changes.toml"
    changes.write_text(text)
    first = run(changes, tmp_path / "state")
    assert first.returncode == 0, first.stderr[-2000:]
    assert run(changes, tmp_path / "state").stdout == first.stdout
    for old, new, words in CHANGES:
        assert old in text
        changes.write_text(text.replace(old, new, 1))
        done = run(changes, tmp_path / "state")
        assert done.returncode and words in done.stderr, done.stderr[-2000:]
