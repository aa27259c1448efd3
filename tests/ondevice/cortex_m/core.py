"""A Cortex-M as a runtime: a .tflite becomes C, the C a program, QEMU the device."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..command import run_command
from ..runtime import RunFailed, Unsupported
from . import emulator

CORES = ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")


class CortexM:
    """A core that runs the C generated from a file that `tflite_export` made."""

    def __init__(self, name: str):
        """Chooses the core.

        Args:
            name: One of `CORES`.
        """
        if name not in CORES:
            raise ValueError(f"name has to be one of {', '.join(CORES)}. Received: name={name!r}")
        self.name = name
        self.version = ""

    def install(self, cache: Path) -> None:
        """Installs the cross compiler and the emulator; `cache` is not used."""
        del cache
        emulator.install()
        compiler = run_command(["arm-none-eabi-gcc", "-dumpversion"], timeout_s=60).strip()
        qemu = run_command(["qemu-system-arm", "--version"], timeout_s=60).split()[3]
        self.version = f"generated C99, gcc {compiler}, qemu {qemu} {self.name}"

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """See `Runtime.run`."""
        device = emulator.load_device()
        from tflite_export.c99 import write
        from tflite_export.errors import ExportError
        from tflite_export.read import read_graph

        try:
            graph = read_graph(model.read_bytes())
        except ExportError as error:
            raise Unsupported(str(error)) from error
        with tempfile.TemporaryDirectory(prefix="ondevice-") as folder:
            write(graph, folder)
            try:
                program = device.build_core(device.CORES[self.name], Path(folder))
                result = device.run(program, inputs.astype(np.int8))
            except device.DeviceError as error:
                raise RunFailed(str(error)) from error
        outputs: NDArray[np.integer] = result.outputs
        return outputs.reshape(len(inputs), *graph.outputs[0].shape)

    def close(self) -> None:
        """Has nothing to end."""
