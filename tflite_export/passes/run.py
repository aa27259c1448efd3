"""All passes in their order: graph in, graph and notes out."""

from tflite_export.graph import IntegerGraph
from tflite_export.passes.global_average import global_average
from tflite_export.passes.lean import lean
from tflite_export.passes.merge_reshapes import merge_reshapes
from tflite_export.passes.one_scale import one_scale
from tflite_export.passes.storage import store
from tflite_export.passes.tie_free import possible_ties, tie_free

_NAIVE = "rounding='naive': kernels round ties differently"


def run(
    graph: IntegerGraph, *, storage: str = "int8", scale: bool = True, exact: bool = True
) -> tuple[IntegerGraph, tuple[str, ...]]:
    """Prepare a lowered graph for a file.

    Args:
        graph: as it was lowered.
        storage: "int8", "int4" or "int2", the smallest wanted; see ``store``.
        scale: scale weights so that no accumulator is a tie; see ``tie_free``.
        exact: refuse what kernels could round differently; otherwise note it.

    Returns:
        A graph that computes the same integers, and what is not exact, in words.

    Raises:
        ExportError: weights that leave no room for tie-free rounding, with ``exact``.
    """
    # First, while operators still have their layers' names.
    ties = possible_ties(graph, exact=exact)
    graph = merge_reshapes(global_average(graph))
    if storage == "int8":  # packed weights have no room, and no NPU reads them
        graph = one_scale(graph)
    if scale:
        graph = tie_free(graph)
    else:
        ties += (_NAIVE,)
    graph, packed = store(graph, storage, exact=exact)
    return lean(graph) if scale else graph, (*ties, *packed)
