"""What the comparison has to know about a .tflite file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

_INTEGERS = (np.int8, np.uint8)


@dataclass(frozen=True)
class Signature:
    """Shapes and types at both ends of a model.

    Attributes:
        input_shape: Without the batch dimension.
        output_shape: Without the batch dimension.
        input_dtype: int8 or uint8.
        output_dtype: int8 or uint8.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_dtype: np.dtype[np.integer]
    output_dtype: np.dtype[np.integer]


def read_signature(model: Path) -> Signature:
    """Reads a model with one integer input and one integer output.

    Raises:
        ValueError: When the file is no such model.
    """
    interpreter = Interpreter(str(model), num_threads=1)
    ends = interpreter.get_input_details(), interpreter.get_output_details()
    for what, details in zip(("input", "output"), ends, strict=True):
        if len(details) != 1:
            raise ValueError(f"{model}: one {what} is needed. Received: {len(details)}")
        if details[0]["dtype"] not in _INTEGERS:
            raise ValueError(
                f"{model}: the {what} has to be int8 or uint8. "
                f"Received: {np.dtype(details[0]['dtype'])}"
            )
    source, target = ends[0][0], ends[1][0]
    if source["shape"][0] != 1:
        raise ValueError(f"{model}: batch 1 is needed. Received: shape {source['shape'].tolist()}")
    return Signature(
        input_shape=tuple(map(int, source["shape"][1:])),
        output_shape=tuple(map(int, target["shape"][1:])),
        input_dtype=np.dtype(source["dtype"]),
        output_dtype=np.dtype(target["dtype"]),
    )


def as_inputs(values: NDArray[np.generic], signature: Signature) -> NDArray[np.integer]:
    """Returns `values` in the model's input type.

    Args:
        values: `(N, ...)` integers of any type.
        signature: The model's.

    Raises:
        ValueError: When they are not integers, lie outside the type or have another shape.
    """
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"the inputs have to be integers. Received: {values.dtype}")
    if values.ndim < 1 or values.shape[1:] != signature.input_shape or len(values) == 0:
        raise ValueError(
            f"the inputs need the shape (N, {str(signature.input_shape)[1:]} with N > 0. "
            f"Received: {values.shape}"
        )
    bounds = np.iinfo(signature.input_dtype)
    if values.min() < bounds.min or values.max() > bounds.max:
        raise ValueError(
            f"the model takes {signature.input_dtype}. "
            f"Received: values from {values.min()} to {values.max()}"
        )
    return np.ascontiguousarray(values, dtype=signature.input_dtype)


def with_fixed_batch(model: bytes) -> bytes:
    """Returns the file with every open dimension (-1) closed at its stored size.

    LiteRT.js refuses a batch of 1 for a model whose signature says -1. The numbers are changed
    where they stand; every other byte stays.
    """
    buffer = bytearray(model)
    root = schema.Model.GetRootAs(buffer, 0)
    for index in range(root.SubgraphsLength()):
        graph = root.Subgraphs(index)
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            if tensor.ShapeSignatureLength():
                tensor.ShapeSignatureAsNumpy()[:] = tensor.ShapeAsNumpy()
    return bytes(buffer)
