"""Damaged files: an error or a good certificate, never a crash of this process."""

import os
import random
import signal

import numpy as np
import pytest

from qrobust.certify import Certifier, CertifyError, SmoothingSpec, attach_spec

DAMAGED = 100


def outcome(file, x):
    """Exit status of a process that certifies: 0 done, 1 refused, negative for a signal."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(30)
        try:
            with Certifier(file, threads=1) as certifier:
                certifier.certify(x, n=100)
            os._exit(0)
        except CertifyError as error:
            os._exit(1 if "\n" not in str(error) else 3)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_damaged_files(classifier):
    spec = SmoothingSpec.for_model(classifier, sigma=30, tables=((50, "0.01"),))
    file = attach_spec(classifier, spec)
    x = np.full((5, 4, 1), 100)
    assert outcome(file, x) == 0
    rng = random.Random(2)
    statuses = []
    for i in range(DAMAGED):
        damaged = bytearray(file)
        if i % 5 == 0:
            del damaged[rng.randrange(len(damaged)) :]
        for _ in range(rng.randrange(1, 4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        statuses.append(outcome(bytes(damaged), x))
    assert set(statuses) <= {0, 1}
    assert statuses.count(1) > DAMAGED // 2
