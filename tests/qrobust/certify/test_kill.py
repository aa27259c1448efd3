"""SIGKILL at any moment: the resumed journal equals an uninterrupted one, times aside."""

import json
import os
import random
import signal
import time

import pytest

from qrobust.certify import Job, Settings, certify_dataset


def content(path):
    return [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]


def start(job, data, path):
    child = os.fork()
    if child == 0:
        try:
            list(certify_dataset(job, data, out=path))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_at_any_moment(kills, classifier, data, tmp_path):
    job = Job(classifier, Settings(n0=20, n=400), sigma="30", classes=3, threads=1)
    began = time.perf_counter()
    list(certify_dataset(job, data, out=tmp_path / "whole"))
    whole, duration = content(tmp_path / "whole"), time.perf_counter() - began
    rng = random.Random(7)
    interrupted = 0
    path = tmp_path / "killed"
    for _ in range(kills):
        child = start(job, data, path)
        time.sleep(rng.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            interrupted += 1
        elif path.exists():
            assert content(path) == whole
            path.unlink()
    assert interrupted >= kills // 4
    os.waitpid(start(job, data, path), 0)
    assert content(path) == whole
