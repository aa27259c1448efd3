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
        graph = self.graphs[index]
        stream = b"".join(
            bytes([index]) + b"".join(np.ascontiguousarray(x, np.int8).tobytes() for x in row)
            for row in zip(*inputs, strict=True)
        )
        done = subprocess.run([self.program], input=stream, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        count = len(inputs[0])
        rows = np.frombuffer(done.stdout, np.int8).reshape(count, -1)
        ends = np.cumsum([tensor.size for tensor in graph.outputs])[:-1]
        parts = np.split(rows, ends, axis=1)
        return [p.reshape(count, *t.shape) for p, t in zip(parts, graph.outputs, strict=True)]
