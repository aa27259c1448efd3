"""LiteRT.js (wasm) in Node."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import pins
from .litertjs import install_litertjs, node_version, wasm_model
from .model_file import read_signature
from .progress import progress
from .worker import Worker, worker_file

_SILENCE_S = 120.0


class Node:
    """LiteRT.js in its build without relaxed SIMD, uint8 input and output only."""

    name = "node"

    def __init__(self) -> None:
        self.version = ""
        self._modules: Path | None = None
        self._worker: Worker | None = None

    def install(self, cache: Path) -> None:
        """Checks Node and installs LiteRT.js."""
        if self.version:
            return
        node = node_version()
        self._modules = install_litertjs(cache)
        self.version = f"LiteRT.js {pins.LITERTJS} wasm, Node {node}"

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """See `Runtime.run`."""
        if self._modules is None:
            raise RuntimeError("call install() first")
        signature = read_signature(model)
        prepared = wasm_model(model, signature)
        if self._worker is None or not self._worker.alive:
            self._worker = Worker(
                ["node", worker_file("node_worker.mjs"), str(self._modules)], silence_s=_SILENCE_S
            )
        with tempfile.TemporaryDirectory(prefix="ondevice-") as exchange:
            files = {name: Path(exchange, name) for name in ("model", "inputs", "outputs")}
            files["model"].write_bytes(prepared)
            files["inputs"].write_bytes(inputs.tobytes())
            request = {
                **{name: str(file) for name, file in files.items()},
                "shape": [1, *inputs.shape[1:]],
            }
            self._worker.request(request, progress(self.name, len(inputs)))
            outputs = np.fromfile(files["outputs"], np.uint8)
        return outputs.reshape(len(inputs), *signature.output_shape)

    def close(self) -> None:
        """See `Runtime.close`."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
