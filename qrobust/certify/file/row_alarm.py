"""An alarm, and no licence: do rows of one batch change each other's outputs here and now?

That rows cannot mix is decided from the file (:mod:`tflite_export.row_wise`). This runs random rows
with the batch size and kernels that will count votes, shuffled and one by one, and compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError

_ALONE = 3


def check_rows(
    run: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...], dtype: str
) -> None:
    """Raise `CertifyError` if a row's outputs depend on its neighbours or on earlier calls.

    Args:
        run: a whole batch of tensor values to outputs, (batch, classes).
        shape: of a batch.
        dtype: of its values, "int8" or "uint8".
    """
    rng = np.random.default_rng(len(shape))
    limits = np.iinfo(dtype)
    rows = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    expected = run(rows).copy()
    order = rng.permutation(len(rows))
    same = np.array_equal(run(rows[order]), expected[order])
    for place in range(min(_ALONE, len(rows))):
        alone = np.zeros_like(rows)
        alone[place] = rows[place]
        same = same and np.array_equal(run(alone)[place], expected[place])
    if not same:
        raise CertifyError(
            "rows of one batch change each other's outputs on this runtime, so votes would not be "
            "votes of one input; report it with the file, and use other kernels"
        )
