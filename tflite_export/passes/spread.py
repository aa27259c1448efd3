"""Puts the tie-free factor of four onto the activations that 4-bit layers read, and takes it off.

``spread`` gives such layers weights ``w`` beside a source of ``4 (q - zero_point)``; ``unspread``
is its inverse, for readers. Both keep every integer that a layer gives.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from tflite_export.graph import Add, IntegerGraph, Linear, Operator, Tensor
from tflite_export.passes.tie_free import unscaled
from tflite_export.spreading import SPREAD, spread_grid

# Channels that shift by less round a 4 acc + 1 twice, or not at all.
_LEAST_SHIFT = 3


def spread_tensor(tensor: Tensor) -> Tensor | None:
    """The tensor of four times the integers; None where int8 has no room for them."""
    grid = spread_grid(tensor.grid)
    if grid is None:
        return None
    name = f"{tensor.name}_times_{SPREAD}"
    return replace(tensor, name=name, grid=grid, multiple=SPREAD)


def spread_operator(operator: Linear, source: Tensor, storage: str) -> Linear:
    """The operator over a spread source: plain weights, a bias of ``4 b + 1`` where it rounds."""
    plain = unscaled(operator)
    return replace(
        plain,
        inputs=(source,),
        weight_exponents=plain.weight_exponents - 1,
        bias=SPREAD * plain.bias + (plain.shift >= 1),
        storage=storage,
    )


def spread(graph: IntegerGraph, chosen: Collection[Operator], storage: str) -> IntegerGraph:
    """Let the chosen operators read spread tensors; several share one."""
    operators: list[Operator] = []
    made: dict[Tensor, Tensor] = {}
    for operator in graph.operators:
        if not isinstance(operator, Linear) or operator not in chosen:
            operators.append(operator)
            continue
        source = made.get(operator.source) or spread_tensor(operator.source)
        if source is None:
            operators.append(operator)
            continue
        if operator.source not in made:
            made[operator.source] = source
            operators.append(Add(inputs=(operator.source, operator.source), output=source))
        operators.append(spread_operator(operator, source, storage))
    return graph.with_operators(tuple(operators))


def unspread(graph: IntegerGraph) -> IntegerGraph:
    """Let every operator read what was spread for it, and leave out what nobody reads then."""
    plain = {
        o.output: o.inputs[0]
        for o in graph.operators
        if isinstance(o, Add) and o.output.multiple == SPREAD
    }
    operators = [
        # Whoever adds x to x in a model of int8 layers keeps the sum.
        _unspread(o, plain[o.source])
        if isinstance(o, Linear) and o.source in plain and o.storage != "int8"
        else o
        for o in graph.operators
    ]
    read = {*graph.outputs, *(t for o in operators for t in o.inputs)}
    kept = tuple(o for o in operators if o.output not in plain or o.output in read)
    return graph.with_operators(kept)


def _unspread(operator: Linear, source: Tensor) -> Linear:
    rest = operator.bias % SPREAD
    if not np.all((rest == 0) | ((rest == 1) & (operator.shift >= _LEAST_SHIFT))):
        return operator  # not of ours: a bias that is no multiple has no plain one
    exponents = operator.weight_exponents + 1
    bias = operator.bias // SPREAD
    return replace(operator, inputs=(source,), weight_exponents=exponents, bias=bias)
