"""The road from a recipe to a published model, and what is said of it.

Public names load when first used: whoever reads a summary needs no Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qrobust.training.publish.road import Published, publish, run_recipe
    from qrobust.training.publish.summary import ModelSummary, Table, read_summary

_HOMES = {
    "ModelSummary": "summary",
    "Published": "road",
    "publish": "road",
    "read_summary": "summary",
    "run_recipe": "road",
    "Table": "summary",
}
__all__ = ["ModelSummary", "Published", "Table", "publish", "read_summary", "run_recipe"]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
