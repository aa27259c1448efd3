"""Makes lower clips explicit that no fused activation can express.

A kernel saturates at -128 and 127 and knows RELU and RELU_N1_TO_1. A grid that starts elsewhere
(symmetric, or signed with fewer than 8 bits on another range) gets its clip from a MAXIMUM with a
constant, which moves integers and is exact everywhere.
"""

from dataclasses import replace

from tflite_export.flatbuffer import fused_activation
from tflite_export.graph import Add, IntegerGraph, Linear, Maximum, Operator, Tensor
from tflite_export.grid import Grid


def explicit_clips(graph: IntegerGraph) -> IntegerGraph:
    """Split every rounding operator whose lower clip cannot be fused."""
    operators: list[Operator] = []
    for operator in graph.operators:
        output = operator.output
        if not isinstance(operator, Linear | Add) or (fused_activation(output.grid) is not None):
            operators.append(operator)
            continue
        grid = Grid(output.grid.exponent, output.grid.zero_point)
        unclipped = Tensor(f"{output.name}_unclipped", output.shape, grid, output.lean)
        operators.append(replace(operator, output=unclipped))
        operators.append(Maximum(inputs=(unclipped,), output=output, bound=output.grid.minimum))
    return graph.with_operators(tuple(operators))
