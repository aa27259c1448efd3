import subprocess
import sys

import numpy as np
import pytest

from qrobust.datasets import Dataset, Split


def split(*labels, dtype=np.uint8, width=2):
    return Split(np.zeros((len(labels), width), dtype), np.array(labels))


def build(train, test, validation=None):
    return Dataset("toys", train, test, ["car", "doll", "kite"], "pixel", validation)


def test_holds_parts():
    data = build(split(0, 2), split(1), split(2))
    assert data.class_names == ("car", "doll", "kite")
    assert len(data.validation) == 1


def test_one_class_cannot_be_learned():
    with pytest.raises(ValueError, match=r"toys.*at least two classes.*\['doll'\]"):
        build(split(1, 1), split(0, 1))


def test_label_without_a_name():
    with pytest.raises(ValueError, match="label 3 but only 3"):
        build(split(0, 1), split(3))


@pytest.mark.parametrize("other", [split(0, dtype=np.int8), split(0, width=3)])
def test_parts_that_differ(other):
    with pytest.raises(ValueError, match="of one kind"):
        build(split(0, 1), split(0), other)


def test_importing_the_loaders_is_light():
    code = "import sys, qrobust.datasets; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"keras", "tensorflow", "sklearn", "scipy", "PIL"}
    assert not heavy & set(run.stdout.split())
