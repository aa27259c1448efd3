"""Whether a file runs at all, looked at in children: what it alone decides needs no Keras."""

from math import prod

import numpy as np

from tflite_export import runtimes
from tflite_export.contract import contract_problem
from tflite_export.errors import ExportError
from tflite_export.inspection import inspect

#: A batch that is no file's own, and numbers of an input that is tried.
_BATCH = 3
_MOST = 1 << 24


def check_runs(tflite: bytes) -> None:
    """Raise `ExportError` where a runtime at hand refuses a file, or does not survive it.

    A file of the integer contract needs no trial. Any other runs once on zeros, each runtime in a
    child, and has to give as many rows as it got.

    Args:
        tflite: the file.

    Raises:
        ExportError: a damaged file, or one that a runtime cannot run.
    """
    held = inspect(tflite)
    if not contract_problem(tflite):
        return
    shapes = [(_BATCH, *tensor.shape[1:]) for tensor in held.inputs]
    for shape in shapes:
        if min(shape) < 1 or prod(shape) > _BATCH * _MOST:
            raise ExportError(
                f"An input of the .tflite file has shape {list(shape[1:])}; an input has 1 to "
                f"{_MOST} numbers."
            )
    zeros = [np.zeros(shape, np.int8) for shape in shapes]
    for name in runtimes.RUNTIMES:
        if runtimes.missing(name, tflite) is not None:
            continue
        for outputs in runtimes.run(name, tflite, zeros):
            if len(outputs) != _BATCH:
                raise ExportError(
                    f"The .tflite file gives {len(outputs)} rows for {_BATCH} inputs ({name}): its "
                    "rows are not one for each."
                )
