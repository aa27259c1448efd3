"""Compiles generated C with every warning and sanitizer of the host compiler, and runs it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tflite_export import c99
from tflite_export.graph import IntegerGraph

COMPILER = shutil.which("gcc") or shutil.which("cc")
FLAGS = (
    *("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"),
    *("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)
# Reads runs of (model, inputs) from standard input, writes outputs to standard output.
_RUNNER = """
int main(void)
{{
    int which;
    while ((which = getchar()) != EOF) {{
        switch (which) {{
{cases}
        default:
            return 1;
        }}
    }}
    return 0;
}}
"""


def needs_compiler() -> str:
    if COMPILER is None:
        pytest.skip("no C compiler (gcc or cc) on this machine")
    return COMPILER


def compile_program(sources: Sequence[Path], target: Path, flags: Sequence[str] = FLAGS) -> Path:
    command = [needs_compiler(), *flags, *map(str, sources), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


class Models:
    """Graphs in one program, each in files of its own or all in one pair."""

    def __init__(
        self, graphs: Sequence[IntegerGraph], folder: Path, *, together: bool = False
    ) -> None:
        self.graphs = graphs
        names = ["together"] if together else [f"g{i}" for i in range(len(graphs))]
        if together:
            every = {f"g{i}": graph for i, graph in enumerate(graphs)}
            generated = c99.generate_together(every, *names)
            (folder / "together.h").write_text(generated.header)
            (folder / "together.c").write_text(generated.source)
        else:
            for name, graph in zip(names, graphs, strict=True):
                c99.write(graph, folder, name)
        sources = [folder / f"{name}.c" for name in names]
        includes = ["#include <stdio.h>", *(f'#include "{name}.h"' for name in names)]
        cases = "\n".join(self._case(i, graph) for i, graph in enumerate(graphs))
        runner = folder / "runner.c"
        runner.write_text("\n".join(includes) + _RUNNER.format(cases=cases))
        self.program = compile_program([runner, *sources], folder / "runner")

    @staticmethod
    def _case(i: int, graph: IntegerGraph) -> str:
        lines = [f"case {i}:"]
        for k, tensor in enumerate(graph.inputs):
            lines.append(f"if (fread(g{i}_input({k}), 1, {tensor.size}, stdin) == 0) return 1;")
        lines.append(f"g{i}_run();")
        for k, tensor in enumerate(graph.outputs):
            lines.append(f"(void)fwrite(g{i}_output({k}), 1, {tensor.size}, stdout);")
        return "\n".join([*lines, "break;"])

    def run(self, index: int, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        every: list[Sequence[np.ndarray]] = [()] * len(self.graphs)
        every[index] = inputs
        return self.run_in_turn(every)[index]

    def run_in_turn(self, inputs: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
        """Outputs of every graph; row 0 of each of them runs first, then row 1 of each."""
        counts = [len(arrays[0]) if arrays else 0 for arrays in inputs]
        turns = [(row, i) for row in range(max(counts)) for i, n in enumerate(counts) if row < n]
        stream = b"".join(
            bytes([i])
            + b"".join(np.ascontiguousarray(x[row], np.int8).tobytes() for x in inputs[i])
            for row, i in turns
        )
        done = subprocess.run([self.program], input=stream, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        rows: list[list[bytes]] = [[] for _ in self.graphs]
        at = 0
        for _, i in turns:
            size = sum(tensor.size for tensor in self.graphs[i].outputs)
            rows[i].append(done.stdout[at : at + size])
            at += size
        assert at == len(done.stdout)
        return [self._outputs(i, found) for i, found in enumerate(rows)]

    def _outputs(self, index: int, found: list[bytes]) -> list[np.ndarray]:
        outputs = self.graphs[index].outputs
        rows = np.frombuffer(b"".join(found), np.int8)
        rows = rows.reshape(len(found), sum(tensor.size for tensor in outputs))
        ends = np.cumsum([tensor.size for tensor in outputs])[:-1]
        parts = np.split(rows, ends, axis=1)
        return [p.reshape(len(found), *t.shape) for p, t in zip(parts, outputs, strict=True)]
