"""Random points of the ball: the baseline that every attack has to beat."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.budget import LINF, Budget
from qrobust.attacks.ground.generators import generators, of
from qrobust.attacks.ground.pixel_grid import random_start
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target


def random_search(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    queries: int = 100,
    seed: int = 0,
    name: str = "random",
) -> Attacked:
    """Draw points of the ball; with L-inf every second one is a corner.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        queries: most inputs shown to the model for one image, the clean one among them.
        seed: of the points, with the image's position.
        name: in reports.
    """
    check_counts(name, 2, queries=queries)
    search = Search(target, x, y, budget)
    rngs = generators(seed, len(search.x))
    for query in range(queries - 1):
        rows = search.standing
        if not len(rows):
            break
        clean = search.x[rows]
        wanted = random_start(clean, budget, search.grid, of(rngs, rows))
        if budget.norm == LINF and query % 2:
            wanted = clean + budget.epsilon * np.sign(wanted - clean)
        search.offer(rows, wanted)
    return search.result(name, seed)
