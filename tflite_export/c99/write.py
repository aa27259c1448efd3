"""``write``: a graph in, ``model.c`` and ``model.h`` out."""

from pathlib import Path
from typing import TYPE_CHECKING

from tflite_export.atomic import write_text
from tflite_export.c99.generate import generate
from tflite_export.graph import IntegerGraph
from tflite_export.passes.merge_reshapes import merge_reshapes

if TYPE_CHECKING:
    from tflite_export.exported import Exported


def write(model: "Exported | IntegerGraph", folder: str | Path, name: str = "model") -> list[Path]:
    """Write a model as C99.

    The C computes what ``tflite_export.reference`` does, bit for bit. It needs no tie-free
    weights, so an exported model is written as it was lowered, with the smaller ones.

    Args:
        model: what ``export`` returned, or a graph.
        folder: made where it is missing; files of the same names are replaced.
        name: of the files, and the prefix of everything that they define.

    Returns:
        The header and the source file.

    Raises:
        ExportError: an operator that has no C form, or sizes beyond what the C can count.
        ValueError: a name that is no C identifier.
    """
    graph = model if isinstance(model, IntegerGraph) else merge_reshapes(model.lowered.graph)
    generated = generate(graph, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    header, source = folder / f"{name}.h", folder / f"{name}.c"
    write_text(header, generated.header)
    write_text(source, generated.source)
    return [header, source]
