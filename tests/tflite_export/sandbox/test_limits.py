import os
import resource

import pytest

from tflite_export.sandbox.limits import MOST_MEMORY, memory_limit, restrict


def limits_of(allowed):
    """(data, core, file size) in a process that was allowed so much and then restricted itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if allowed is not None:
                resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
            restrict(1 << 30)
            kinds = (resource.RLIMIT_DATA, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)
            os.write(writing, repr([resource.getrlimit(kind) for kind in kinds]).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.parametrize(("allowed", "memory"), [(None, 1 << 30), (1 << 29, 1 << 29)])
def test_restricts_within_what_is_allowed(allowed, memory):
    assert limits_of(allowed) == repr([(memory, memory), (0, 0), (0, 0)])


def test_memory_fits_the_machine():
    assert 0 < memory_limit() <= MOST_MEMORY
