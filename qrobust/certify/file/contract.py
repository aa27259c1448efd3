"""What the device side asks of the integer contract, and all that it takes of ``tflite_export``.

`TAKEN` is the whole list: ``qrobust.certify`` imports these modules, here and where they are used,
and no other; a test compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export import reference
from tflite_export.contract import contract_problem
from tflite_export.errors import ExportError
from tflite_export.read import read_graph
from tflite_export.row_wise import check_row_wise

__all__ = ["check_one_input", "contract_problem", "reference_outputs", "static_shapes"]

#: Module of ``tflite_export`` -> what the device side needs it for.
TAKEN = {
    "contract": "whether a file gives the same integers on every kernel",
    "read": "a file as an integer graph",
    "row_wise": "whether a file is a function of one input",
    "reference": "the graph in NumPy, for audits",
    "errors": "what these raise",
    "sandbox": "a process of its own for files of strangers",
    "atomic": "files that are whole or not there",
    "printable": "text from files, made harmless",
    "chatter": "what an interpreter says of itself, held back",
    "inspection": "the table of layers in a report",
    "c99": "the members of a bundle as C, for `qrobust.certify.c99.write_bundle` alone",
    "graph": "the type of what that is given",
    "clients": "on which other runtimes a report says a graph gives the same integers",
}


def check_one_input(content: bytes) -> bool:
    """Check that a file is a function of one input; return whether it fixes its batch of one.

    Raises:
        CertifyError: operators that cannot be cleared; the message names them all.
    """
    try:
        return check_row_wise(content) is not None
    except ExportError as error:
        raise CertifyError(str(error)) from None


def reference_outputs(content: bytes, tensors: NDArray[np.int16]) -> NDArray[Any]:
    """Return the outputs of the NumPy reference, int64[rows, classes].

    Args:
        content: a file of the integer contract.
        tensors: int16[rows, *shape], int8 tensor values.
    """
    try:
        (outputs,) = reference.run(read_graph(content), tensors.astype(np.int64))
    except ExportError as error:
        raise CertifyError(str(error)) from None
    return outputs


def static_shapes(content: bytes) -> dict[int, tuple[int, ...]]:
    """Return the shape that the file states of every tensor that an operator writes."""
    from tflite_export.row_wise import read_model

    graph = read_model(content).subgraphs[0]
    written = [int(i) for operator in graph.operators for i in operator.outputs]
    return {i: tuple(int(size) for size in graph.tensors[i].shape) for i in written}
