"""Whose traceback it is: the interpreter's own start, or this project's."""

import pytest
from kills import of_pythons_start

SITE = """Fatal Python error: init_import_site: Failed to import the site module
Traceback (most recent call last):
  File "<frozen site>", line 636, in <module>
  File "/lib/python3.11/posixpath.py", line 71, in join
KeyboardInterrupt
"""
LOOKING = """Traceback (most recent call last):
  File "<frozen runpy>", line 189, in _run_module_as_main
  File "<frozen runpy>", line 112, in _get_module_details
KeyboardInterrupt
"""
OURS = LOOKING.replace(
    "KeyboardI", '  File "/x/qrobust/__init__.py", line 9, in <module>\nKeyboardI'
)
WORKER = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/lib/python3.11/multiprocessing/spawn.py", line 122, in spawn_main
KeyboardInterrupt
"""


@pytest.mark.parametrize("text", [SITE, LOOKING])
def test_pythons_own_start(text):
    assert of_pythons_start(text)


@pytest.mark.parametrize("text", ["", "interrupted\n", OURS, WORKER, SITE + OURS, "Traceback\n"])
def test_not_pythons_own_start(text):
    assert not of_pythons_start(text)
