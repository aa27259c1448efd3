import sys

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file import probe as module
from qrobust.certify.file.probe import probe


def test_a_good_file_passes(classifier):
    probe(classifier)


def test_a_refused_file_is_left_to_the_caller():
    probe(b"no model")


def test_a_crash_becomes_a_message(monkeypatch, classifier):
    monkeypatch.setattr(module, "_SCRIPT", "import os; os.abort()")
    with pytest.raises(CertifyError, match="ends the interpreter with signal 6"):
        probe(classifier)


def test_a_hang_becomes_a_message(monkeypatch, classifier):
    monkeypatch.setattr(module, "_SCRIPT", "import time; time.sleep(60)")
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.5)
    with pytest.raises(CertifyError, match="does not finish one inference"):
        probe(classifier)
    assert sys.executable
