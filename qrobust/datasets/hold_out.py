"""Training examples kept apart, to choose by."""

from dataclasses import replace

import numpy as np

from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

#: Part of the rule, so that every training of a data set keeps the same examples apart.
SEED = 2000


def hold_out(dataset: Dataset, count: int) -> Dataset:
    """Move training examples to the validation part, by a rule that knows no recipe and no seed.

    The indices are ``sort(default_rng(2000).permutation(N)[:count])`` of the N training examples.

    Args:
        dataset: without a validation part.
        count: examples to hold out; at least one, and some of two classes are left.

    Raises:
        ValueError: A count out of range, or a validation part that exists already.
    """
    part = dataset.train
    if dataset.validation is not None:
        raise ValueError(
            f"{dataset.name} has {len(dataset.validation)} validation examples of its own: "
            "choose by them, and leave held_out at 0."
        )
    if not 0 < count < len(part):
        raise ValueError(
            f"Between 1 and {len(part) - 1} of {dataset.name}'s training examples can be held "
            f"out. Received: {count}"
        )
    order = np.random.default_rng(SEED).permutation(len(part))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return replace(
        dataset,
        train=Split(part.x[kept], part.y[kept]),
        validation=Split(part.x[held], part.y[held]),
    )
