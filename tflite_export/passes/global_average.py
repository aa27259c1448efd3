"""Turns an average over a whole picture into a product with one row of weights.

As a depthwise convolution of equal weights it stores them once a channel and window position, and
XNNPACK is slow on windows this large. With channels first, one fully connected layer of H * W
weights and one output does the same sums.
"""

import numpy as np

from tflite_export.graph import (
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Operator,
    Reshape,
    Tensor,
    Transpose,
)


def global_average(graph: IntegerGraph) -> IntegerGraph:
    """Rewrite every depthwise convolution that is an average over its whole input."""
    operators: list[Operator] = []
    for operator in graph.operators:
        if isinstance(operator, DepthwiseConv2D) and _is_global_average(operator):
            operators += _as_product(operator)
        else:
            operators.append(operator)
    return graph.with_operators(tuple(operators))


def _is_global_average(operator: DepthwiseConv2D) -> bool:
    height, width, channels = operator.source.shape
    return (
        operator.weights.shape == (1, height, width, channels)
        and operator.padding == "VALID"
        and operator.dilation == (1, 1)
        and bool(np.all(operator.weights == operator.weights.flat[0]))
        and bool(np.all(operator.weight_exponents == operator.weight_exponents[0]))
        and bool(np.all(operator.bias == operator.bias[0]))
    )


def _as_product(operator: DepthwiseConv2D) -> list[Operator]:
    source, output = operator.source, operator.output
    height, width, channels = source.shape
    name = output.name
    columns = Tensor(f"{name}_positions", (height * width, channels), source.grid)
    rows = Tensor(f"{name}_rows", (channels, height * width), source.grid)
    column = Tensor(f"{name}_column", (channels, 1), output.grid)
    return [
        # Of three axes: older NPU compilers leave a transpose of four to the CPU.
        Reshape(inputs=(source,), output=columns),
        Transpose(inputs=(columns,), output=rows, axes=(1, 0)),
        FullyConnected(
            inputs=(rows,),
            output=column,
            weights=operator.weights[..., 0].reshape(1, -1),
            weight_exponents=operator.weight_exponents[:1],
            bias=operator.bias[:1],
        ),
        Reshape(inputs=(column,), output=output),
    ]
