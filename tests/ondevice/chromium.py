"""LiteRT.js (wasm) in headless Chromium."""

import queue
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import pins
from .browser import Browser
from .command import run_command
from .debian import find_or_install
from .litertjs import install_litertjs, wasm_model
from .model_file import read_signature
from .page_server import PageServer
from .progress import progress
from .runtime import RunFailed

_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SILENCE_S = 120.0
_POLL_S = 1.0


class Chromium:
    """LiteRT.js in the build that a current browser gets, uint8 input and output only."""

    name = "chromium"

    def __init__(self) -> None:
        self.version = ""
        self._browser = ""
        self._executable = ""
        self._modules: Path | None = None

    def install(self, cache: Path) -> None:
        """Installs Chromium (Debian's package) and LiteRT.js."""
        if self.version:
            return
        self._modules = install_litertjs(cache)
        self._executable = find_or_install("chromium", _EXECUTABLES)
        said = run_command([self._executable, "--version"], timeout_s=60)
        self._browser = " ".join(said.split()[:2])
        self.version = f"LiteRT.js {pins.LITERTJS}, {self._browser}"

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """See `Runtime.run`. Starts a browser for each call."""
        if self._modules is None:
            raise RuntimeError("call install() first")
        signature = read_signature(model)
        job = wasm_model(model, signature), inputs.tobytes(), (1, *inputs.shape[1:])
        with PageServer(self._modules, *job) as server:
            with Browser(self._executable, server.url) as browser:
                outputs = self._collect(server, browser, len(inputs))
        return np.frombuffer(outputs, np.uint8).reshape(len(inputs), *signature.output_shape)

    def close(self) -> None:
        """Has nothing to end: `run` leaves no process behind."""

    def _collect(self, server: PageServer, browser: Browser, count: int) -> bytes:
        report = progress(self.name, count)
        heard = time.monotonic()
        while True:
            try:
                what, body = server.posted.get(timeout=_POLL_S)
            except queue.Empty:
                if death := browser.death():
                    raise RunFailed(death) from None
                if time.monotonic() - heard > _SILENCE_S:
                    raise RunFailed(f"no word for {_SILENCE_S:g} s; ended") from None
                continue
            heard = time.monotonic()
            if what == "outputs":
                return body
            if what == "error":
                raise RunFailed(body.decode(errors="replace"))
            if what == "build":
                self.version = f"LiteRT.js {pins.LITERTJS} {body.decode()}, {self._browser}"
            if what == "done":
                report(int(body))
