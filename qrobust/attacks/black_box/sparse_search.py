"""Random search over few changes: L1 (few numbers, far), L0 (pixels) and patches."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.sparse_states import FewNumbers, FewPixels, Patch
from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.budget import L0, L1, PATCH, SPARSE, Budget
from qrobust.attacks.ground.generators import generators
from qrobust.attacks.ground.pixel_grid import Integers, PixelGrid
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target, margins


class _State(Protocol):
    """What one image's search holds: a candidate, and another one near it."""

    def picture(self) -> Integers: ...

    def changed(self, progress: float) -> _State: ...


class _Kind(Protocol):
    def __call__(
        self, x: Integers, size: int, grid: PixelGrid, rng: np.random.Generator
    ) -> _State: ...


_STATES: dict[str, _Kind] = {L1: FewNumbers, L0: FewPixels, PATCH: Patch}


def sparse_search(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    queries: int = 1000,
    seed: int = 0,
    name: str = "sparse",
) -> Attacked:
    """Change a part of what is changed, keep it where the margin does not grow.

    L1 moves one number after the other as far as the grid goes until the budget is spent; L0
    replaces pixels by extreme ones; a patch looks for a place and a content. What is changed is
    redrawn in ever smaller parts.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: L1 in LSB, L0 in pixels, or the side of a square patch in pixels.
        queries: most inputs shown to the model for one image, the clean one among them.
        seed: of the changes, with the image's position.
        name: in reports.

    Raises:
        ValueError: a budget of another norm, or one that does not fit the pictures.

    Source:
        Croce et al., Sparse-RS, AAAI 2022, for L0 and patches.
    """
    check_counts(name, 2, queries=queries)
    if budget.norm not in SPARSE:
        raise ValueError(f"{name} searches {', '.join(SPARSE)}. Received: {budget}")
    search = Search(target, x, y, budget)
    kind, size = _STATES[budget.norm], int(budget.epsilon)
    rngs = generators(seed, len(search.x))
    states = [
        kind(image, size, search.grid, rng) for image, rng in zip(search.x, rngs, strict=True)
    ]
    best = np.full(len(states), np.inf)
    for query in range(queries - 1):
        rows = search.standing
        if not len(rows):
            break
        tried = [states[r].changed(query / queries) if query else states[r] for r in rows]
        wanted = np.stack([state.picture() for state in tried])
        margin = margins(search.offer(rows, wanted), search.y[rows])
        for row, state, value in zip(rows, tried, margin, strict=True):
            if value <= best[row]:
                states[row], best[row] = state, value
    return search.result(name, seed)
