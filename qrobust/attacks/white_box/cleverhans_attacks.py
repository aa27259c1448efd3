"""FGSM, BIM and MI-FGSM ended on the integer grid: CleverHans's in L-inf, the same walk in L2."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts, check_positive
from qrobust.attacks.ground.ball import direction, into_ball
from qrobust.attacks.ground.budget import LINF, Budget
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import CROSS_ENTROPY, Target, TensorTarget, check_tensors, cost


def fast_gradient(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    stop: bool = True,
    name: str = "FGSM",
) -> Attacked:
    """One step of length epsilon along the gradient's sign (L-inf) or direction (L2).

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        stop: False to attack also the images that the model errs on already, for transfer.
        name: in reports.

    Source:
        Goodfellow et al., ICLR 2015; ``cleverhans.tf2.attacks.fast_gradient_method``.
    """
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method

    source = check_tensors(target, name)
    search = Search(source, x, y, budget, stop=stop)
    if budget.norm == LINF:
        _linf(fast_gradient_method, search, source, 1, eps=float(budget.epsilon))
    else:
        _l2(search, source, budget, steps=1, step=budget.epsilon, decay=0.0)
    return search.result(name)


def basic_iterative(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    step: float | None = None,
    stop: bool = True,
    name: str = "BIM",
) -> Attacked:
    """Many small gradient steps from the clean input, projected into the ball.

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: how many.
        step: length of one in LSB; ``2.5 * epsilon / steps`` by default.
        stop: False to attack also the images that the model errs on already, for transfer.
        name: in reports.

    Raises:
        ValueError: no steps, or a step that is not positive.

    Source:
        Kurakin et al., 2016; ``cleverhans.tf2.attacks.basic_iterative_method``.
    """
    from cleverhans.tf2.attacks.basic_iterative_method import basic_iterative_method

    source, step = check_tensors(target, name), _step(name, budget, steps, step)
    search = Search(source, x, y, budget, stop=stop)
    if budget.norm == LINF:
        options = {"eps": float(budget.epsilon), "nb_iter": steps, "eps_iter": step}
        _linf(basic_iterative_method, search, source, steps, sanity_checks=False, **options)
    else:
        _l2(search, source, budget, steps, step, decay=0.0)
    return search.result(name)


def momentum_iterative(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    step: float | None = None,
    decay: float = 1.0,
    stop: bool = True,
    name: str = "MI-FGSM",
) -> Attacked:
    """Gradient steps along a running sum of normalized gradients.

    Arguments as for `basic_iterative`; ``decay`` is the share of the sum that each step keeps.

    Source:
        Dong et al., CVPR 2018; ``cleverhans.tf2.attacks.momentum_iterative_method``.
    """
    from cleverhans.tf2.attacks.momentum_iterative_method import momentum_iterative_method

    source, step = check_tensors(target, name), _step(name, budget, steps, step)
    search = Search(source, x, y, budget, stop=stop)
    if budget.norm == LINF:
        options = {"eps": float(budget.epsilon), "nb_iter": steps, "eps_iter": step}
        options |= {"decay_factor": decay, "sanity_checks": False}
        _linf(momentum_iterative_method, search, source, steps, **options)
    else:
        _l2(search, source, budget, steps, step, decay)
    return search.result(name)


def _step(name: str, budget: Budget, steps: int, step: float | None) -> float:
    check_counts(name, steps=steps)
    check_positive(name, step=step)
    # CleverHans refuses steps longer than epsilon.
    return min(2.5 * budget.epsilon / steps if step is None else step, budget.epsilon)


def _linf(
    attack: Callable[..., Any],
    search: Search,
    source: TensorTarget,
    evaluations: int,
    **options: Any,
) -> None:
    import tensorflow as tf

    rows = search.standing
    for start in range(0, len(rows), source.batch):
        part = rows[start : start + source.batch]
        wanted = attack(
            source.model_fn,
            tf.constant(search.x[part], tf.float32),
            norm=np.inf,
            y=tf.constant(search.y[part]),
            clip_min=float(search.grid.low),
            clip_max=float(search.grid.high),
            **options,
        )
        search.count(part, evaluations)
        # A gradient that is not finite moves nothing.
        search.offer(part, np.where(np.isfinite(wanted), wanted, search.x[part]))


def _l2(
    search: Search, source: TensorTarget, budget: Budget, steps: int, step: float, decay: float
) -> None:
    """The same walk with our own direction; CleverHans stands still on gradients under 1e-6."""
    rows = search.standing
    if not len(rows):
        return
    clean = search.x[rows].astype(np.float64)
    z, momentum = clean, np.zeros_like(clean)
    axes = tuple(range(1, clean.ndim))
    for _ in range(steps):
        _, gradients = source.gradients(z, search.y[rows], CROSS_ENTROPY)
        search.queries[rows] += cost(source)
        unit = direction(gradients, budget.norm)
        mean = np.abs(unit).mean(axes, keepdims=True)
        momentum = decay * momentum + unit / np.where(mean > 0, mean, 1.0)
        z = into_ball(z + step * direction(momentum, budget.norm), clean, budget, search.grid)
    search.offer(rows, z)
