"""Integer graph -> the text of a C99 source file and its header.

Every operator emits constants and calls of kernels; the arena is planned for all of them. What a
kernel computes is the integer contract; how its weights lie is ``pack``; where its buffers lie is
``plan``.
"""

import re

from tflite_export.c99.emitters import EMITTERS
from tflite_export.c99.writer import Generated, Writer
from tflite_export.errors import ExportError
from tflite_export.graph import IntegerGraph


def generate(graph: IntegerGraph, name: str = "model") -> Generated:
    """Write a graph as C99; see ``tflite_export.c99.write`` for the files.

    Raises:
        ExportError: an operator without a C form, or sizes beyond what the C counts.
        ValueError: ``name`` is no C identifier.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(
            f"name has to be a C identifier in lower case, such as 'model'. Received: {name!r}"
        )
    writer = Writer(graph, name)
    for operator in writer.steps():
        emit = EMITTERS.get(type(operator))
        if emit is None:
            raise ExportError(
                f"{operator.output.name}: operator {type(operator).__name__} has no C form. "
                f"Known: {', '.join(sorted(kind.__name__ for kind in EMITTERS))}."
            )
        emit(writer, operator)
    return writer.finish()
