"""A label as a row of zeros and a one, in dense layers and clips that every device computes."""

from typing import Any

import numpy as np
import qkeras

from qrobust.ensembles.fixed_dense import fixed_dense
from qrobust.quantizers import QuantizedRelu
from tflite_export.grid import Grid


def ballot(logits: Any, grid: Grid, name: str) -> Any:
    """The one-hot label of logits, the lowest class where some are equal.

    In steps of the logits, for ordered pairs of classes c and d::

        beats[c, d] = clip(q_c - q_d + (c < d), 0, 1)
        ballot_c    = clip(sum over d of beats[c, d] - (C - 2), 0, 1)

    Of C classes exactly one beats all C - 1 others. Two dense layers of C (C - 1) columns, nothing
    is rounded: the labels are those of the member's own integers.

    Args:
        logits: Keras tensor (batch, C), C at least 2, on ``grid``.
        grid: of the logits.
        name: of the layers.

    Returns:
        Keras tensor (batch, C) of zeros and a one.
    """
    classes = int(logits.shape[-1])
    pairs = [(c, d) for c in range(classes) for d in range(classes) if c != d]
    duel, won = np.zeros((classes, len(pairs))), np.zeros((len(pairs), classes))
    first = np.array([float(c < d) for c, d in pairs])
    for column, (c, d) in enumerate(pairs):
        duel[c, column], duel[d, column] = 1 / grid.step, -1 / grid.step
        won[column, c] = 1.0
    beats = fixed_dense(duel, first, f"{name}_duels")(logits)
    beats = qkeras.QActivation(QuantizedRelu(1, 1), name=f"{name}_beats")(beats)
    wins = fixed_dense(won, np.full(classes, 2.0 - classes), f"{name}_wins")(beats)
    return qkeras.QActivation(QuantizedRelu(1, 1), name=name)(wins)
