"""The RAM that a device needs to run a file: measured where a runtime says it, never estimated."""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec

from tflite_export.errors import ExportError

GENERATED_C = "generated C"
TFLM = "TFLM's arena (x86-64 build, whose pointers are twice as wide)"

_SECONDS = 120
# TFLM writes its table past Python's standard error: it runs in a process of its own.
_PROGRAM = """
import sys
from tflite_micro import runtime as r
i = r.Interpreter.from_file(sys.argv[1], arena_size=64 << 20)
i.print_allocations()
"""


def device_memory(tflite: bytes) -> dict[str, int | str]:
    """Return bytes of RAM for one inference, device by device, or why they are unknown.

    The generated C has one static array for all activations and 512 bytes of stack at most; TFLM's
    arena also holds what the runtime keeps of every tensor and operator.

    Args:
        tflite: the file's bytes.
    """
    return {GENERATED_C: _generated(tflite), TFLM: tflm_arena(tflite)}


def _generated(tflite: bytes) -> int | str:
    from tflite_export.c99.generate import generate
    from tflite_export.read import read_graph

    try:
        return generate(read_graph(tflite)).arena
    except ExportError as error:
        return f"none ({error})"


def tflm_arena(tflite: bytes) -> int | str:
    """Return the arena that TFLM allocates for a file, in bytes, or why that is unknown."""
    if find_spec("tflite_micro") is None:
        return "not measured (tflite-micro is not installed)"
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(tflite)
        file.flush()
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, file.name],
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"not measured (TFLM took more than {_SECONDS} s)"
    found = re.search(r"Arena allocation total (\d+) bytes", done.stdout + done.stderr)
    return int(found[1]) if found else "not measured (TFLM cannot run the file)"
