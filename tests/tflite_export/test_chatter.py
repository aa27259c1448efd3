import os
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_export.chatter import without_chatter

MODEL = Path(__file__).parents[2] / "models" / "digits" / "model.tflite"


def test_only_chatter_is_dropped(capfd):
    with pytest.raises(KeyError), without_chatter():
        os.write(2, b"INFO: Created\nERROR: bad\nno end")
        raise KeyError
    os.write(2, b"|after")
    assert capfd.readouterr().err == "ERROR: bad\nno end|after"


def test_a_closed_or_silent_stream_is_left_alone():
    script = "import os; from tflite_export.chatter import without_chatter as w\n{}\nwith w(): pass"
    for change in ("os.close(2)", "os.dup2(os.open(os.devnull, os.O_RDWR), 2)"):
        subprocess.run([sys.executable, "-c", script.format(change)], check=True)


SCRIPT = f"""
import contextlib
from qrobust.certify.file import model_file
{{}}
model_file.make_interpreter(open({str(MODEL)!r}, "rb").read(), batch=None)
"""


def test_litert_is_quiet_and_would_not_be():
    def said(change):
        command = [sys.executable, "-c", SCRIPT.format(change)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    assert said("") == ""
    assert "INFO" in said("model_file.without_chatter = contextlib.nullcontext")
