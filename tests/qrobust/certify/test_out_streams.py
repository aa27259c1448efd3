"""``--out`` to what is no file: a pipe gets every line, /dev/null takes them, /dev/full says no."""

import os
import re
import stat
import threading

import numpy as np
import pytest
from commands import CERTIFY, QROBUST, run


@pytest.fixture
def place(tmp_path, classifier, data):
    (tmp_path / "m.tflite").write_bytes(classifier)
    np.savez(tmp_path / "d.npz", x=data.x[:3], y=data.y[:3])
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def command(name, place, out, n="200"):
    if name == "certify":
        words, options = (*CERTIFY,), ("--sigma", "30", "--n", n)
    else:
        words = (*QROBUST, "verify")
        options = ("--norm", "linf", "--radius", "1", "--budget", "10")
    return (*words, place / "m.tflite", place / "d.npz", "--out", out, *options, "--quiet")


def reading(path, read):
    """Start a reader of a pipe; what it read will be in the list."""
    got = []

    def work():
        with open(path) as pipe:
            got.append(read(pipe))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, got


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("name", ["certify", "verify"])
def test_a_journal_into_a_pipe_is_that_of_a_file(place, name):
    thread, got = reading(place / "pipe", lambda pipe: pipe.read())
    status, piped, errors = run(*command(name, place, place / "pipe"))
    thread.join(10)
    assert (status, errors) == (0, "")
    status, filed, errors = run(*command(name, place, place / "file"))
    assert (status, errors) == (0, "")
    texts = got[0], (place / "file").read_text()
    timeless = [re.sub(r'"seconds":[^,}]*', "", text) for text in texts]
    assert timeless[0] == timeless[1] and len(texts[0].splitlines()) == 5
    rateless = [re.sub(r"\d+ votes/s|/\S+$", "", text, flags=re.M) for text in (piped, filed)]
    assert rateless[0] == rateless[1]


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("name", ["certify", "verify"])
def test_devices(place, name):
    status, out, errors = run(*command(name, place, "/dev/null"))
    assert (status, errors) == (0, "") and "3 " in out
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    status, _, errors = run(*command(name, place, "/dev/full"))
    assert (status, errors) == (2, "error: cannot write to /dev/full: No space left on device\n")


def test_a_reader_that_has_enough_ends_it_silently(place):
    thread, _ = reading(place / "pipe", lambda pipe: pipe.readline())
    status, _, errors = run(*command("certify", place, place / "pipe", n="100000"))
    thread.join(10)
    assert (status, errors) == (141, "")


@pytest.mark.parametrize("option", ["--tsv", "--out"])
def test_a_folder_is_refused(place, option):
    status, _, errors = run(*command("certify", place, place / "c.jsonl"), option, place)
    assert status == 2 and "directory" in errors and len(errors.splitlines()) == 1
