"""LiteRT with XNNPACK in this process: what every device is compared with."""

import importlib.metadata
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray


class Native:
    """The runtime that the other ones have to equal."""

    name = "native"
    version = ""

    def install(self, cache: Path) -> None:
        """Has nothing to install; `cache` is not used."""
        del cache
        self.version = f"LiteRT {importlib.metadata.version('ai-edge-litert')}, XNNPACK"

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """See `Runtime.run`. One input at a time, one thread."""
        interpreter = Interpreter(str(model), num_threads=1)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]["index"]
        target = interpreter.get_output_details()[0]["index"]
        outputs = []
        for image in inputs:
            interpreter.set_tensor(source, image[np.newaxis])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(target))
        return np.concatenate(outputs)

    def close(self) -> None:
        """Has nothing to end."""
