"""``write``: a graph in, ``model.c`` and ``model.h`` out."""

from pathlib import Path
from typing import TYPE_CHECKING

from tflite_export.atomic import write_text
from tflite_export.c99.generate import generate
from tflite_export.graph import IntegerGraph
from tflite_export.passes.merge_reshapes import merge_reshapes

if TYPE_CHECKING:
    from tflite_export.exported import Exported

_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg "
    "stdbool stddef stdint stdio stdlib string tgmath time wchar wctype".split()
)
_KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while bool main".split()
)


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
        ValueError: a name that is no C identifier, or one that C has itself.
    """
    if name in _HEADERS or name in _KEYWORDS:
        raise ValueError(
            f"name='{name}' is a word or a header of C, which the generated files would hide from "
            f"their own code. Choose another, such as 'my_model'."
        )
    graph = model if isinstance(model, IntegerGraph) else merge_reshapes(model.lowered.graph)
    generated = generate(graph, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    header, source = folder / f"{name}.h", folder / f"{name}.c"
    write_text(header, generated.header)
    write_text(source, generated.source)
    return [header, source]
