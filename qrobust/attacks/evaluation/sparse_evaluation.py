"""Accuracy under few changes: L1, L0 and patches, at a budget and around it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.sparse_search import sparse_search
from qrobust.attacks.ground.budget import L1, PATCH, Budget
from qrobust.attacks.ground.pixel_grid import pixels_of
from qrobust.attacks.ground.search import Attacked
from qrobust.attacks.ground.target import Target

#: Inputs shown for one image, standard and full.
_QUERIES = {False: 500, True: 5000}


def sparse_evaluation(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    full: bool = False,
    seed: int = 0,
) -> tuple[list[Attacked], dict[float, float]]:
    """Return the attack at a budget, and accuracy against budgets from a quarter to four times it.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: L1, L0 or a patch.
        full: ten times the queries.
        seed: of the attacks.

    Returns:
        The attack, and budget -> accuracy in [0, 1], never rising, 0 first.
    """
    queries = _QUERIES[full]
    main = sparse_search(target, x, y, budget, queries=queries, seed=seed)
    down = main.fallen & ~main.moved
    curve = {0.0: float(1 - down.mean())}
    sides = target.shape[:2] if budget.norm == PATCH else (pixels_of(target.shape),)
    most = target.grid.span * int(np.prod(target.shape)) if budget.norm == L1 else min(sides)
    wanted = {int(budget.epsilon * 2.0**k) for k in range(-2, 3)}
    for epsilon in sorted(e for e in wanted if 1 <= e <= most):
        if epsilon == budget.epsilon:
            down = down | main.fallen
        rows = np.flatnonzero(~down)
        if len(rows) and epsilon != budget.epsilon:
            ball = Budget(epsilon, budget.norm)
            found = sparse_search(target, x[rows], y[rows], ball, queries=queries, seed=seed)
            down[rows] |= found.fallen
        curve[float(epsilon)] = float(1 - down.mean())
    return [main], curve
