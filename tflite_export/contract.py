"""Does a file meet the integer contract? If so, every kernel gives the same integers.

The file is read into an integer graph, the graph is written again, and both files must mean the
same: operators, options, steps, constants. So whatever the reader overlooks shows as a difference,
and all limits that the writer knows of kernels hold for the file. Shapes have to follow from the
inputs', as interpreters compute them; ties must be out of reach, too.
No metadata is trusted; what the file says of its own grids is compared.
"""

import json
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import IntegerGraph, Linear
from tflite_export.passes.tie_free import is_tie_free
from tflite_export.read import ENTRY, WIDENED, Reader, read_graph
from tflite_export.row_wise import DAMAGED, read_model
from tflite_export.shapes import shape_problem

#: Options that say the same in another way: a shape stands in a constant as well.
_REDUNDANT = frozenset({"newShape"})


def contract_problem(tflite: bytes) -> str:
    """Return why kernels may differ on a file; nothing where none can.

    Args:
        tflite: the file; a damaged one is a problem, too, and no exception.
    """
    try:
        graph = read_graph(tflite, as_stored=True)
        for operator in graph.operators:
            if isinstance(operator, Linear) and not is_tie_free(operator):
                return f"'{operator.output.name}' can round ties, on which kernels differ."
        if problem := shape_problem(graph):
            return problem
        if not _metadata_agrees(tflite, graph):
            return "Its metadata say other grids than its tensors."
        again = to_flatbuffer(graph)
        given, expected = _meaning(tflite), _meaning(again, ours=True)
    except ExportError as error:
        return str(error)
    except DAMAGED as error:
        return f"It is not as the contract writes it: {error}"
    for ours, theirs in zip(expected, given, strict=False):
        if ours != theirs:
            return f"'{theirs[0]}' is not as the contract writes it."
    return "" if len(given) == len(expected) else "It holds operators that the contract does not."


def _metadata_agrees(tflite: bytes, graph: IntegerGraph) -> bool:
    """Whether an entry of ours, where there is one, is about the grids that the scales give."""
    model = read_model(tflite)
    for entry in model.metadata or []:
        # An index that leads nowhere says nothing; no runtime follows it.
        held = model.buffers[entry.buffer].data if entry.buffer < len(model.buffers) else None
        if held is None or entry.name not in (ENTRY, ENTRY.encode()):
            continue
        try:
            content = json.loads(np.asarray(held, np.uint8).tobytes())
            said = [(grid["exponent"], grid["zero_point"]) for grid in content["inputs"]]
            zeros = [grid["zero_point"] for grid in content["outputs"]]
        except (*DAMAGED, RecursionError):
            return False
        # An output's step may be in other units: a last rescaling is left to the reader.
        if said != [(t.grid.exponent, t.grid.zero_point) for t in graph.inputs]:
            return False
        if zeros != [t.grid.zero_point for t in graph.outputs]:
            return False
    return True


def _meaning(tflite: bytes, *, ours: bool = False) -> list[tuple[Any, ...]]:
    """What a file computes, without names, versions and the way it is packed.

    Args:
        tflite: the file.
        ours: written from a graph that was read, so that clips which the reader put in, to widen
            a grid and change no integer, are left out.
    """
    reader = Reader(read_model(tflite), as_stored=True)
    written = list(reader.subgraph.operators)
    border = [reader.inside(int(i), written, before=True) for i in reader.subgraph.inputs]
    results = [reader.inside(int(i), written, before=False) for i in reader.subgraph.outputs]
    place = {index: k for k, index in enumerate(border)}
    meaning: list[tuple[Any, ...]] = [("inputs", [_tensor(reader, i) for i in border])]
    for operator in written:
        sources = [
            place[i] if i in place else (_tensor(reader, i), _constant(reader, i))
            for i in map(int, operator.inputs)
        ]
        result = int(operator.outputs[0])
        if ours and _name(reader, result).endswith(WIDENED):
            place[result] = place[int(operator.inputs[0])]
            continue
        place[result] = len(meaning) + len(border) - 1
        options = {} if operator.builtinOptions is None else vars(operator.builtinOptions)
        kept = {name: value for name, value in options.items() if name not in _REDUNDANT}
        kept["of"] = type(operator.builtinOptions).__name__  # of another kind, kernels read none
        kept["outputs"] = len(operator.outputs)
        name = _name(reader, result)
        meaning.append((name, reader.kind(operator), kept, sources, _tensor(reader, result)))
    meaning.append(("outputs", [place.get(index) for index in results]))
    return meaning


def _name(reader: Reader, index: int) -> str:
    name = reader.subgraph.tensors[index].name
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _tensor(reader: Reader, index: int) -> tuple[Any, ...]:
    tensor = reader.subgraph.tensors[index]
    parameters, shape = tensor.quantization, [int(size) for size in tensor.shape]
    # The same numbers as another type, or by a map of a sparse array, are not read by every kernel.
    held = [int(tensor.type), tensor.sparsity is None, not tensor.externalBuffer]
    if parameters is None or parameters.scale is None:
        return shape, held
    held.append(parameters.details is None)
    scales = [float(scale) for scale in np.atleast_1d(parameters.scale)]
    zeros = sorted({int(zero) for zero in np.atleast_1d(parameters.zeroPoint)})
    axis = int(parameters.quantizedDimension)
    # Interpreters look at the axis also where all of its scales are one.
    fits = 0 <= axis < max(len(shape), 1) and len(scales) in (1, *shape[axis : axis + 1])
    if len(set(scales)) == 1:
        return shape, held, scales[:1], zeros, fits
    return shape, held, scales, zeros, axis, fits


def _constant(reader: Reader, index: int) -> list[int]:
    values: list[int] = reader.data(index).reshape(-1).tolist()
    return values
