"""Try an untrusted file in a process of its own first.

The interpreter checks a file's structure, but a damaged operator can still abort the process that
runs it. A command line should end with a message instead.
"""

from __future__ import annotations

import subprocess
import sys

from qrobust.certify.arithmetic.errors import CertifyError

_TIMEOUT_S = 120

_SCRIPT = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
try:
    interpreter = Interpreter(model_content=sys.stdin.buffer.read(), num_threads=1)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))
    interpreter.invoke()
except (ValueError, RuntimeError):
    pass  # a proper refusal: the caller meets it again and explains it
"""


def probe(content: bytes) -> None:
    """Raise `CertifyError` if running the file once kills or hangs an interpreter."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            input=content,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CertifyError(
            f"the .tflite file does not finish one inference in {_TIMEOUT_S} s; export it again"
        ) from None
    if done.returncode < 0:
        raise CertifyError(
            f"the .tflite file is damaged: running it ends the interpreter with signal "
            f"{-done.returncode}; export or copy it again"
        )
