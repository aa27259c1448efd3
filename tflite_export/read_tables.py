"""Tables in a file: a CAST and an ADD of int32 make indices, a GATHER takes entries by them."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.graph import TABLE_SIZE, Table
from tflite_export.grid import INT8_MIN

_Code = schema.BuiltinOperator


def makes_indices(reader: Any, written: Any) -> bool:
    """Whether an operator makes int32 indices of a table, which are then remembered.

    Args:
        reader: of the file; its ``places`` map an int32 tensor to the tensor it was made of and to
            the offsets that were added.
        written: the operator.
    """
    kind, result = reader.kind(written), int(written.outputs[0])
    if reader.subgraph.tensors[result].type != schema.TensorType.INT32:
        return False
    first = int(written.inputs[0])
    if kind == _Code.CAST and first in reader.tensors:
        reader.places[result] = (first, None)
        return True
    if kind == _Code.ADD and reader.places.get(first, (0, 0))[1] is None:
        reader.places[result] = (reader.places[first][0], reader.data(int(written.inputs[1])))
        return True
    return False


def read_table(reader: Any, written: Any, options: Any) -> Table:
    """The table that a GATHER and the operators before it are.

    Raises:
        ExportError: indices that are no table's, or that could miss it.
    """
    result = int(written.outputs[0])
    entries = reader.data(int(written.inputs[0])).reshape(-1, TABLE_SIZE)
    source, offsets = reader.places.get(int(written.inputs[1]), (None, None))
    expected = np.arange(len(entries)) * TABLE_SIZE - INT8_MIN
    if offsets is None or options.axis or not np.array_equal(offsets, expected):
        raise ExportError("GATHER by other indices than a table's is not of the contract.")
    zero_point = int(reader.subgraph.tensors[result].quantization.zeroPoint[0])
    output = reader.activation(result, minimum=min(int(entries.min()), zero_point))
    return Table(inputs=(reader.tensors[source],), output=output, entries=entries)
