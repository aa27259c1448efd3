import numpy as np
import pytest

from . import cli
from .compare import Comparison, compare_one
from .runtime import RunFailed, Unavailable, Unsupported

EXPECTED = np.array([[1, 2], [-128, 4], [5, 127]], np.int8)


class Fake:
    name = "fake"
    version = "fake 1"

    def __init__(self, *, install=None, run=EXPECTED):
        self.problem, self.result = install, run

    def install(self, cache):
        if self.problem:
            raise self.problem

    def run(self, model, inputs):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def close(self):
        pass


def judged(tmp_path, **fake):
    inputs = np.zeros((3, 4), np.int8)
    return compare_one(Fake(**fake), tmp_path / "model", inputs, EXPECTED, tmp_path)


def test_equal(tmp_path):
    result = judged(tmp_path)
    assert (result.status, result.inputs, result.integers, result.differing) == ("equal", 3, 6, 0)


def test_counts_differences_without_wrapping(tmp_path):
    other = EXPECTED.copy()
    other[1, 0] = 127  # 255 away; int8 arithmetic would say 1
    other[2, 0] = 6
    result = judged(tmp_path, run=other)
    assert (result.status, result.differing) == ("differs", 2)
    assert (result.first_differing_input, result.largest_difference) == (1, 255)


@pytest.mark.parametrize(
    ("fake", "status"),
    [
        ({"install": Unavailable("no qemu")}, "skipped"),
        ({"run": Unsupported("int8")}, "skipped"),
        ({"run": RunFailed("crashed")}, "failed"),
        ({"run": EXPECTED[:2]}, "failed"),
        ({"run": EXPECTED.view(np.uint8)}, "failed"),
    ],
)
def test_nothing_compared_is_never_equal(tmp_path, fake, status):
    result = judged(tmp_path, **fake)
    assert result.status == status
    assert result.reason
    assert result.seconds is None
    assert f"{status}: {result.reason}" in cli.table([result])


@pytest.mark.parametrize(
    ("statuses", "normal", "strict"),
    [
        (["equal", "equal"], 0, 0),
        (["equal", "skipped"], 0, 3),
        (["skipped"], 3, 3),
        (["equal", "differs"], 1, 1),
        (["equal", "failed", "skipped"], 1, 1),
    ],
)
def test_exit_status(statuses, normal, strict):
    found = [Comparison("native", "equal"), *(Comparison("x", status) for status in statuses)]
    assert cli.exit_status(found) == normal
    assert cli.exit_status(found, strict=True) == strict
