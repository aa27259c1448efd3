import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Folder with real data sets, for tests that read some of them."""
    folder = os.environ.get("QROBUST_DATA")
    if not folder:
        pytest.skip("QROBUST_DATA names no folder with data sets")
    return Path(folder)
