"""Programs of the C sources under AddressSanitizer and UBSan, for libFuzzer or to replay files.

libFuzzer comes with clang (Debian: ``apt-get install clang libclang-rt-14-dev``, the number being
clang's). Without it the same entries run given files, compiled by whatever compiler is there.
"""

import shutil
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from qrobust.certify import c99 as certifier_c99
from tests.fuzz.c_tables import all_tables
from tests.helpers.random_graphs import random_graph
from tflite_export import c99
from tflite_export.read import read_graph

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
_MODELS = HERE.parents[1] / "models"
# Small ones of all kinds of layers: a fuzzer wants thousands of runs a second.
_SHIPPED = ("digits", "kws_dscnn_w4a8")
_SANITIZERS = "address,undefined"
_FLAGS = ("-std=c99", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")
_VERSIONS = range(30, 10, -1)


@dataclass(frozen=True)
class Program:
    """An entry, and how the sources that it drives are made.

    Attributes:
        name: of the corpus's folder, too.
        entry: file of ``c/``.
        longest: bytes of an input.
    """

    name: str
    entry: str
    longest: int

    def sources(self, folder: Path, networks: int) -> list[Path]:
        """Write them into a folder; returns those to compile."""
        if self.name == "c_network":
            return _networks(folder, networks)
        for name, text in certifier_c99.certifier_sources().items():
            (folder / name).write_text(text)
        return [folder / "qrobust_certify.c"]

    def seeds(self) -> list[bytes]:
        """Sound inputs to begin with."""
        if self.name == "c_network":
            rng = np.random.default_rng(0)
            return [rng.bytes(64)[: 1 + 8 * i] for i in range(1, 8)]
        heads = (bytes((0, 3, 1, 2, 5)), bytes((8, 5, 2, 7, 0)), bytes((16, 9, 1, 1, 1)))
        return [
            head + struct.pack(f"<{len(words)}I", *words)
            for words in all_tables()
            for head in heads
        ]


PROGRAMS = {
    program.name: program
    for program in (
        Program("c_certifier", "certifier.c", 4096),
        Program("c_network", "network.c", 700),
    )
}

#: Fault -> program, file, sound text, faulty text: what the fuzzer has to find.
PLANTS = {
    "believed-length": (
        "c_certifier",
        "qrobust_certify.c",
        "count) &&\n                thresholds",
        "count || (read.checkpoints > 0u)) &&\n                thresholds",
    ),
    "past-the-arena": ("c_network", "n0.c", "&arena.bytes[", "&arena.bytes[sizeof(arena) - 1u + "),
    "endless-shift": ("c_certifier", "qrobust_certify.c", " && (shift < 32u)", ""),
}


@cache
def fuzzing_clang() -> str | None:
    """A clang that can link libFuzzer, or None."""
    names = ("clang", *(f"clang-{number}" for number in _VERSIONS))
    for found in filter(None, map(shutil.which, names)):
        words = [found, "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"]
        text = b"int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && !n; }"
        if subprocess.run(words, input=text, capture_output=True, check=False).returncode == 0:
            return found
    return None


def build(
    program: Program, folder: Path, *, compiler: str, fuzzer: bool, networks: int, plant: str = ""
) -> Path:
    """Compile an entry with its sources; returns the program.

    Args:
        program: which.
        folder: for sources and program.
        compiler: a clang for `fuzzer`, or any.
        fuzzer: with libFuzzer; otherwise it runs the files of its command line.
        networks: random ones among the generated networks.
        plant: a fault of `PLANTS` to put in.

    Raises:
        ValueError: it does not compile, or the planted fault's place is not there.
    """
    sources = program.sources(folder, networks)
    if plant:
        _, name, sound, faulty = PLANTS[plant]
        text = (folder / name).read_text()
        if sound not in text:
            raise ValueError(f"{name} has no '{sound}' in which to plant '{plant}'")
        (folder / name).write_text(faulty.join(text.rsplit(sound, 1)))
    entries = [HERE / "c" / program.entry, *([] if fuzzer else [HERE / "c" / "replay.c"])]
    target = folder / program.name
    command = [
        *(compiler, *_FLAGS, f"-fsanitize={'fuzzer,' if fuzzer else ''}{_SANITIZERS}"),
        *(f"-I{folder}", *map(str, entries), *map(str, sources), "-o", str(target)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{program.name} does not compile: {done.stderr[:2000]}")
    return target


def _networks(folder: Path, count: int) -> list[Path]:
    """C of random graphs and of small shipped models, and ``networks.inc`` that lists them."""
    graphs = [random_graph(seed) for seed in range(count)]
    graphs += [read_graph((_MODELS / name / "model.tflite").read_bytes()) for name in _SHIPPED]
    lines, names, sources = [], [], []
    for i, graph in enumerate(graphs):
        name = f"n{i}"
        c99.write(graph, folder, name)
        sources.append(folder / f"{name}.c")
        names.append(f"NETWORK({name})")
        lines.append(f'#include "{name}.h"')
        for kind, tensors in (("input", graph.inputs), ("output", graph.outputs)):
            sizes = ", ".join(f"{tensor.size}u" for tensor in tensors)
            lines.append(f"static const uint32_t {name}_{kind}_sizes[] = {{{sizes}}};")
        ranges = ", ".join(f"{{{x.grid.minimum}, {x.grid.maximum}}}" for x in graph.inputs)
        lines.append(f"static const int32_t {name}_input_ranges[][2] = {{{ranges}}};")
    lines.append(f"#define NETWORKS {' '.join(names)}")
    (folder / "networks.inc").write_text("\n".join(lines) + "\n")
    return sources


def replayed(program: Path, files: list[Path]) -> str:
    """Run files through a program; the sanitizer's words where one is a finding."""
    done = subprocess.run([program, *files], capture_output=True, check=False)
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace") or "abort"
