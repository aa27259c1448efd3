"""Integer graphs as dependency-free C99: one ``.c``/``.h`` pair, no heap, no float.

``write`` makes the pair; ``certifier_sources`` are the C files of the certifier, which only the
tables of ``qrobust.certify.c99`` tell about a model.
"""

from tflite_export.c99.write import certifier_sources, write

__all__ = ["certifier_sources", "write"]
