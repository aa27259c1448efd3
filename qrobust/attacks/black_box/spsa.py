"""SPSA: gradients by finite differences along random signs, from queries alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts, check_positive
from qrobust.attacks.ground.ball import into_ball
from qrobust.attacks.ground.budget import LINF, Budget
from qrobust.attacks.ground.generators import Generators, generators, of
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target, margins


def spsa(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    samples: int = 32,
    delta: int = 4,
    learning_rate: float | None = None,
    stop: bool = True,
    seed: int = 0,
    name: str = "SPSA",
) -> Attacked:
    """Adam on the margin, with ``(margin(x + delta v) - margin(x - delta v)) v`` for a gradient.

    ``v`` are random signs, and the estimate is a mean over them. The points stay on the integer
    grid, so that a file can be asked. CleverHans 4.0 has SPSA for one image at a time, on an
    optimizer that Keras 3 refuses.

    Args:
        target: needs no gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: of Adam.
        samples: inputs shown to the model for one gradient, even.
        delta: distance of the differences in LSB; quantized models answer nothing to 1.
        learning_rate: of Adam in LSB; ``epsilon / 4`` (L-inf) or ``epsilon / sqrt(pixels)`` (L2)
            by default.
        stop: False to take all steps with all images, for the strongest point of each.
        seed: of the signs, with the image's position.
        name: in reports.

    Source:
        Uesato et al., Adversarial Risk and the Dangers of Evaluating Against Weak Attacks, ICML
        2018.
    """
    check_counts(name, steps=steps, delta=delta)
    check_counts(name, 2, samples=samples)
    check_positive(name, learning_rate=learning_rate)
    if samples % 2:
        raise ValueError(f"{name} needs an even number of samples. Received: {samples=}")
    search = Search(target, x, y, budget, stop=stop)
    rngs = generators(seed, len(search.x))
    rate = learning_rate
    if rate is None:
        rate = budget.epsilon / (4 if budget.norm == LINF else np.sqrt(search.x[0].size))
    rows = search.standing
    z = search.x[rows].astype(np.float64)
    first, second = np.zeros_like(z), np.zeros_like(z)
    for step in range(1, steps + 1):
        if not len(rows):
            break
        slope = _slope(search, rows, z, samples // 2, delta, of(rngs, rows))
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        scale = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        z = z - scale * first / (np.sqrt(second) + 1e-12)
        z = into_ball(z, search.x[rows], budget, search.grid)
        search.offer(rows, z)
        stands = search.open(rows)
        rows, z, first, second = rows[stands], z[stands], first[stands], second[stands]
    return search.result(name, seed)


def _slope(
    search: Search,
    rows: NDArray[np.intp],
    z: NDArray[np.float64],
    pairs: int,
    delta: int,
    rngs: Generators,
) -> NDArray[np.float64]:
    """Estimated gradient of the margin, float64[m, ...]; pairs share their centre's rounding."""
    slope = np.zeros_like(z)
    centre = np.rint(z)
    # As many images at a time as keep the points near 64 MiB.
    group = max(1, (1 << 23) // (2 * pairs * z[0].size))
    for start in range(0, len(rows), group):
        part = np.s_[start : start + group]
        signs = np.stack([rng.choice([-1.0, 1.0], (pairs, *z.shape[1:])) for rng in rngs[part]])
        points = centre[part][:, None] + delta * np.concatenate([signs, -signs], axis=1)
        repeated = np.repeat(rows[part], 2 * pairs)
        logits = search.ask(repeated, points.reshape(-1, *z.shape[1:]))
        values = margins(logits, search.y[repeated]).reshape(-1, 2 * pairs)
        difference = (values[:, :pairs] - values[:, pairs:]) / (2 * delta)
        slope[part] = np.einsum("mp,mp...->m...", difference, signs) / pairs
    return slope
