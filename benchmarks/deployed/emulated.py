"""Instructions of one inference of the generated C on an emulated Cortex-M."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import results
from numpy.typing import NDArray

from tflite_export import reference
from tflite_export.c99 import write
from tflite_export.c99.generate import generate
from tflite_export.read import read_graph

sys.path.insert(0, str(results.PROJECT / "examples" / "microcontroller"))

import device  # noqa: E402


def emulated(content: bytes, stored: NDArray[np.int8], *, core: str) -> dict[str, Any]:
    """Instructions, flash and arena of a file of the integer contract; its outputs are checked.

    Instructions come from QEMU's ``-icount`` and are not cycles. They do not depend on the weights'
    values, only on shapes.

    Args:
        content: the file.
        stored: tensor values of some inputs.
        core: one of ``device.CORES``.

    Raises:
        DeviceError: no compiler or emulator, or one that failed.
        RuntimeError: outputs that are not the reference's.
    """
    graph, board = read_graph(content), device.CORES[core]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(graph, folder)
        program = device.build_core(board, folder)
        flash = device.flash_bytes([folder / "model.c"], board)
        found = device.run(program, stored.astype(np.int8), timeout_s=3600)
    wanted = reference.run(graph, stored.astype(np.int64))[0]
    differ = int((found.outputs != wanted.reshape(found.outputs.shape)).sum())
    if differ:
        raise RuntimeError(f"{differ} outputs of the emulated {core} are not the reference's")
    return {"instructions": found.meter.run, "flash": flash, "arena": generate(graph).arena}
