"""The network and the certifier as one WebAssembly module: generated C99, compiled by clang."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from qrobust.certify import c99 as certifier_c99
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import ModelFile
from tflite_export.c99 import write as write_network
from tflite_export.printable import printable
from tflite_export.read import read_graph

_FLAGS = ("--target=wasm32", "-std=c99", "-O3", "-msimd128", "-mbulk-memory", "-ffreestanding")
_LINK = ("-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--gc-sections")
_TIMEOUT_S = 300
_HINT = "install clang and lld (Debian: apt-get install clang lld)"


def compile_module(file: ModelFile, *, table_words: int, compiler: str = "clang") -> bytes:
    """Return the module: the network, the noise, the votes and the radii; it imports nothing.

    Args:
        file: a classifier whose border is int8.
        table_words: 32-bit words of the largest tables that it has to hold.
        compiler: clang, with its WebAssembly target and lld.

    Raises:
        CertifyError: no such compiler, or one that fails.
    """
    if shutil.which(compiler) is None:
        raise CertifyError(f"{compiler} is not installed, which makes the WebAssembly; {_HINT}")
    with tempfile.TemporaryDirectory(prefix="qrobust-web-") as made:
        folder, target = Path(made), Path(made, "certify.wasm")
        write_network(read_graph(file.content), folder)
        for name, text in certifier_c99.certifier_sources(certifier_c99.NOISE).items():
            (folder / name).write_text(text, encoding="utf-8")
        for item in (resources.files(__package__) / "wasm").iterdir():
            (folder / item.name).write_bytes(item.read_bytes())
        command = [compiler, *_FLAGS, *_LINK, f"-DTABLE_WORDS={table_words}", f"-I{folder}"]
        command += [str(path) for path in sorted(folder.glob("*.c"))]
        try:
            done = subprocess.run(
                [*command, "-o", str(target)],
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise CertifyError(f"{compiler} took over {_TIMEOUT_S} s") from None
        if done.returncode != 0:
            said = printable(" ".join(done.stderr.split())[-500:])
            raise CertifyError(f"{compiler} made no WebAssembly; {_HINT}. It said: {said}")
        return target.read_bytes()
