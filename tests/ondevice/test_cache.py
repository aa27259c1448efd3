import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import cache
from .runtime import Unavailable


def write_marker(folder: Path) -> None:
    (folder / "marker").write_text("complete")


DIES_HALF_WAY = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ondevice.cache import cached_folder

def build(folder):
    (folder / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)

cached_folder(Path(sys.argv[2]), "thing", build)
"""


def test_builds_once(tmp_path):
    first = cache.cached_folder(tmp_path / "new", "thing-1", write_marker)
    second = cache.cached_folder(tmp_path / "new", "thing-1", lambda _: pytest.fail("built again"))
    assert first == second == tmp_path / "new" / "thing-1"
    assert (first / "marker").read_text() == "complete"


def test_failed_build_leaves_nothing(tmp_path):
    def fail(folder):
        write_marker(folder)
        raise Unavailable("no network")

    with pytest.raises(Unavailable, match="no network"):
        cache.cached_folder(tmp_path, "thing", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]


def test_killed_build_is_not_taken_for_complete(tmp_path):
    tests = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", DIES_HALF_WAY, str(tests), str(tmp_path)]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".thing.partial-*/half"))

    folder = cache.cached_folder(tmp_path, "thing", write_marker)
    assert [path.name for path in folder.iterdir()] == ["marker"]
    assert not list(tmp_path.glob(".thing.partial-*"))


def test_variable_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    assert cache.default_cache() == tmp_path


def test_unwritable_cache_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot write"):
        cache.cached_folder(tmp_path / "file", "thing", write_marker)
