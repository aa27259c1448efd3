"""Square attack: random search with square windows, for both norms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.black_box.square_windows import l2_proposals, linf_proposals, window
from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.budget import LINF, Budget
from qrobust.attacks.ground.generators import generators, of
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target, margins


def square(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    queries: int = 1000,
    share: float = 0.8,
    seed: int = 0,
    name: str = "Square",
) -> Attacked:
    """Change a random square of the perturbation, keep it where the margin does not grow.

    A proposal with an equal margin is kept as well: integer logits have plateaus, on which strict
    improvement would stand still. In L2 the first bumps tile the whole picture, in tiles of a fifth
    of its shorter side; the authors' five by five leave a margin where the side is no multiple.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        queries: most answers taken for one image, the clean one's among them.
        share: of the pixels in the first squares; it shrinks on the paper's schedule.
        seed: of the squares, with the image's position.
        name: in reports.

    Source:
        Andriushchenko et al., Square Attack, ECCV 2020, algorithms 1 to 3.
    """
    check_counts(name, 2, queries=queries)
    if not 0 < share <= 1:
        raise ValueError(f"{name} needs a share in (0, 1]. Received: {share=}")
    search = Search(target, x, y, budget)
    rngs = generators(seed, len(search.x))
    proposals = linf_proposals if budget.norm == LINF else l2_proposals
    rows = search.standing
    current = search.x[rows].astype(np.float64)
    best = np.full(len(rows), np.inf)
    for query in range(queries - 1):
        if not len(rows):
            break
        clean = search.x[rows].astype(np.float64)
        sides = window(search.x.shape[1:], share, query / queries) if query else None
        wanted = proposals(clean, current, budget.epsilon, sides, search.grid, of(rngs, rows))
        margin = margins(search.offer(rows, wanted), search.y[rows])
        better = margin <= best
        current[better], best[better] = wanted[better], margin[better]
        stands = ~search.fallen[rows]
        rows, current, best = rows[stands], current[stands], best[stands]
    return search.result(name, seed)
