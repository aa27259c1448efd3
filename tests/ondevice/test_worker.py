import sys
import textwrap

import pytest

from .runtime import RunFailed
from .worker import Worker

CHILD = textwrap.dedent(
    """
    import json, os, sys, time
    for line in sys.stdin:
        what = json.loads(line)["what"]
        if what == "work":
            print('{"done": 1}\\\\n{"done": 2}\\\\n{"ok": true}', flush=True)
        elif what == "error":
            print('{"error": "no such model"}', flush=True)
        elif what == "die":
            print("Illegal instruction", file=sys.stderr, flush=True)
            os._exit(7)
        elif what == "noise":
            print("hello", flush=True)
        else:
            time.sleep(600)
    """
).replace("\\\\n", "\\n")


@pytest.fixture
def worker():
    worker = Worker([sys.executable, "-c", CHILD], silence_s=30)
    yield worker
    worker.close()


def test_answers_several_requests(worker):
    for _ in range(2):
        counts = []
        worker.request({"what": "work"}, counts.append)
        assert counts == [1, 2]
    assert worker.alive


def test_error_is_raised_and_the_worker_lives(worker):
    with pytest.raises(RunFailed, match="no such model"):
        worker.request({"what": "error"})
    worker.request({"what": "work"})


def test_death_says_status_and_last_words(worker):
    with pytest.raises(RunFailed, match="status 7: Illegal instruction"):
        worker.request({"what": "die"})
    assert not worker.alive
    with pytest.raises(RunFailed):
        worker.request({"what": "work"})


def test_silence_ends_it():
    worker = Worker([sys.executable, "-c", CHILD], silence_s=0.5)
    with pytest.raises(RunFailed, match=r"no word for 0\.5 s"):
        worker.request({"what": "sleep"})
    assert not worker.alive


def test_foreign_output_is_an_error(worker):
    with pytest.raises(RunFailed, match="hello"):
        worker.request({"what": "noise"})
