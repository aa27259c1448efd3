"""The threads of TensorFlow in tests, and which cases of a test the ordinary run takes."""

import os
from collections import defaultdict

import pytest

# Before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores already: threads of their own only wait for each other.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked ``ordinary(k)``, all cases but k, evenly spread, are thorough."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("ordinary"):
            cases[item.path, item.cls, item.originalname].append(item)
    for found in cases.values():
        (count,) = found[0].get_closest_marker("ordinary").args
        kept = {number * len(found) // count for number in range(count)}
        for number, item in enumerate(found):
            if number not in kept:
                item.add_marker(pytest.mark.thorough)
