"""LiteRT for ARM64 under qemu-user."""

import importlib.metadata
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import pins
from .arm64_cpus import CPUS
from .arm64_rootfs import LAYOUT, build_rootfs, launcher_of
from .cache import cached_folder
from .command import run_command
from .debian import find_or_install
from .process_group import run_in_group
from .progress import progress
from .runtime import Unavailable
from .worker import Worker, worker_file

_SMOKE_TEST = (
    "import platform, numpy, tqdm, ai_edge_litert.interpreter;"
    "print(platform.machine(), platform.python_version())"
)
_SMOKE_TIMEOUT_S = 300
# Emulated code is slow: a model with large layers may take long before its first report.
_SILENCE_S = 300.0


class Arm64:
    """An emulated ARM64 core that runs the wheels of a real one.

    qemu-user emulates every instruction, vector ones too, so the kernels that LiteRT picks for
    the core are the ones whose integers are seen. It does not emulate timing.
    """

    def __init__(self, cpu: str = "cortex-a76", *, batch: int = 1):
        """Chooses the core.

        Args:
            cpu: A key of `arm64_cpus.CPUS`.
            batch: Inputs given to one `invoke`; no faster under emulation, but other code.
        """
        if cpu not in CPUS:
            raise ValueError(f"cpu has to be one of {', '.join(CPUS)}. Received: cpu={cpu!r}")
        if batch < 1:
            raise ValueError(f"batch has to be at least 1. Received: batch={batch}")
        self.name = "arm64" if cpu == "cortex-a76" else f"arm64-{cpu.removeprefix('cortex-')}"
        self.version = ""
        self._cpu = cpu
        self._batch = batch
        self._folder: Path | None = None
        self._worker: Worker | None = None

    def install(self, cache: Path) -> None:
        """Installs qemu, an ARM64 Python and the ARM64 wheels (about 200 MB)."""
        if self.version:
            return
        qemu = find_or_install("qemu-user-static", ["qemu-aarch64-static", "qemu-aarch64"])
        versions = {
            "ai-edge-litert": _native_litert(),
            "numpy": pins.NUMPY,
            "tqdm": pins.TQDM,
        }
        name = "-".join([f"arm64.{LAYOUT}", pins.DEBIAN_SUITE, *versions.values()])

        def build(folder: Path) -> None:
            build_rootfs(folder, versions)
            # Also compiles what every run imports, which halves the start.
            self._smoke_test(folder, write_bytecode=True)

        self._folder = cached_folder(cache, name, build)
        machine, python = self._smoke_test(self._folder).split()
        release = run_command([qemu, "--version"], timeout_s=60).split()[2]
        self.version = (
            f"LiteRT {versions['ai-edge-litert']} {machine}, Python {python}, "
            f"qemu {release} {self._cpu}"
        )

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """See `Runtime.run`."""
        if self._worker is None or not self._worker.alive:
            self._worker = Worker(
                self._command(self._installed(), [worker_file("arm64_worker.py")]),
                env=self._env(self._installed()),
                silence_s=_SILENCE_S,
            )
        with tempfile.TemporaryDirectory(prefix="ondevice-") as exchange:
            source, target = Path(exchange, "inputs.npy"), Path(exchange, "outputs.npy")
            np.save(source, inputs)
            request = {
                "model": str(model.resolve()),
                "inputs": str(source),
                "outputs": str(target),
                "batch": self._batch,
            }
            self._worker.request(request, progress(self.name, len(inputs)))
            outputs: NDArray[np.integer] = np.load(target)
        return outputs

    def python(
        self,
        args: Sequence[str],
        *,
        pythonpath: Sequence[Path] = (),
        cwd: Path | None = None,
        timeout_s: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the emulated Python, for example on `["-m", "qrobust.certify", ...]`.

        Has NumPy, LiteRT and tqdm. Through `sys.executable` it can start itself; any other
        program that it starts is one of this machine.

        Args:
            args: What follows `python` on its command line.
            pythonpath: Folders that it also imports from. Nothing is written there.
            cwd: Working folder; this process's when None.
            timeout_s: Seconds after which it is ended.

        Returns:
            What ran, with its output as text; the exit status is not checked.

        Raises:
            subprocess.TimeoutExpired: When it took longer.
        """
        folder = self._installed()
        command, env = self._command(folder, args), self._env(folder, pythonpath)
        return run_in_group(command, timeout_s=timeout_s, env=env, cwd=cwd)

    def close(self) -> None:
        """See `Runtime.close`."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _installed(self) -> Path:
        if self._folder is None:
            raise RuntimeError("call install() first")
        return self._folder

    def _command(self, folder: Path, args: Sequence[str]) -> list[str]:
        return [str(launcher_of(folder, self._cpu)), *args]

    def _env(self, folder: Path, pythonpath: Sequence[Path] = ()) -> dict[str, str]:
        # A clean environment: this machine's library paths and Python settings would be obeyed by
        # the emulated Python too, and so would x86 packages in the user's site folder.
        kept = {key: os.environ[key] for key in ("HOME", "PATH", "TMPDIR") if key in os.environ}
        paths = [folder / "site", *(Path(path).resolve() for path in pythonpath)]
        return {
            **kept,
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _smoke_test(self, folder: Path, *, write_bytecode: bool = False) -> str:
        env = self._env(folder)
        if write_bytecode:
            del env["PYTHONDONTWRITEBYTECODE"]
        try:
            command = self._command(folder, ["-c", _SMOKE_TEST])
            done = run_in_group(command, timeout_s=_SMOKE_TIMEOUT_S, env=env)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"the emulated Python took over {_SMOKE_TIMEOUT_S} s") from error
        if done.returncode != 0:
            said = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise Unavailable(f"the emulated Python cannot load LiteRT: {said}")
        return done.stdout


def _native_litert() -> str:
    try:
        return importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError:
        return pins.LITERT
