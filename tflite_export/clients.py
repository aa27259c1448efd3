"""On which other clients a graph gives the same integers; ``benchmarks/foreign.py`` counts them.

The integer contract is about LiteRT, TFLM and the C; other clients round sums in ways of their own
and read int8 weights only.
"""

from collections.abc import Callable

from tflite_export.graph import Add, IntegerGraph, Linear
from tflite_export.passes.lean import half_even_differs

_PACKED = "weights of 4 or 2 bits are for LiteRT and TFLM"


def foreign_clients(graph: IntegerGraph) -> dict[str, str]:
    """Client -> why its integers may differ, "" where they are the same.

    Args:
        graph: of a file that meets the contract, with the storage that the file has.
    """
    packed = any(isinstance(o, Linear) and o.storage != "int8" for o in graph.operators)
    return {name: _PACKED if packed else rule(graph) for name, rule in FOREIGN.items()}


def _half_even(graph: IntegerGraph) -> str:
    names = [o.output.name for o in graph.operators if half_even_differs(o)]
    return f"rounds ties of the sum '{names[0]}' to even" if names else ""


def _unrounded(graph: IntegerGraph) -> str:
    for operator in graph.operators:
        grids = {t.grid.exponent for t in (*operator.inputs, operator.output)}
        if isinstance(operator, Add) and len(grids) > 1:
            return f"leaves out a rounding in front of the sum '{operator.output.name}'"
    return ""


def _same(graph: IntegerGraph) -> str:
    del graph  # Whatever it holds.
    return ""


FOREIGN: dict[str, Callable[[IntegerGraph], str]] = {
    "ONNX Runtime, tract, TVM": _half_even,
    "IREE, TOSA": _same,
    "OpenVINO (INFERENCE_PRECISION_HINT=f32)": _unrounded,
    "Ethos-U (Vela)": _same,
}


def described(graph: IntegerGraph) -> str:
    """The clients in a sentence or two."""
    found = foreign_clients(graph)
    same = [name for name, why in found.items() if not why]
    lines = [f"the same integers, too: {'; '.join(same)}"] if same else []
    lines += [f"other integers: {name}: {why}" for name, why in found.items() if why]
    return "\n".join(lines)
