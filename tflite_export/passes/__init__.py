"""What happens to an integer graph on its way into a file; the integers computed stay the same.

A pass is a function ``graph -> graph``, or ``graph -> graph, notes`` where it can lose exactness;
``run`` puts them in order.
"""

from tflite_export.passes.run import run
from tflite_export.passes.storage import why_int8

__all__ = ["run", "why_int8"]
