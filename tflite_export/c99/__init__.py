"""Integer graphs as dependency-free C99: one ``.c``/``.h`` pair, no heap, no float."""

from tflite_export.c99.generate import generate_together
from tflite_export.c99.write import write

__all__ = ["generate_together", "write"]
