"""FGSM, BIM and MI-FGSM as CleverHans has them, ended on the integer grid."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import LINF, Budget
from qrobust.attacks.keras_target import KerasTarget
from qrobust.attacks.search import Attacked, Search
from qrobust.attacks.target import Target, check_gradients


def fast_gradient(
    target: Target, x: NDArray[Any], y: NDArray[Any], budget: Budget, *, name: str = "FGSM"
) -> Attacked:
    """One step of length epsilon along the gradient's sign (L-inf) or direction (L2).

    Args:
        target: a Keras model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        name: in reports.

    Source:
        Goodfellow et al., ICLR 2015; ``cleverhans.tf2.attacks.fast_gradient_method``.
    """
    from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method

    return _run(fast_gradient_method, name, target, x, y, budget, evaluations=1)


def basic_iterative(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    step: float | None = None,
    name: str = "BIM",
) -> Attacked:
    """Many small gradient steps from the clean input, projected into the ball.

    Args:
        target: a Keras model.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: how many.
        step: length of one in LSB; ``2.5 * epsilon / steps`` by default.
        name: in reports.

    Source:
        Kurakin et al., 2016; ``cleverhans.tf2.attacks.basic_iterative_method``.
    """
    from cleverhans.tf2.attacks.basic_iterative_method import basic_iterative_method

    options = {"nb_iter": steps, "eps_iter": _step(budget, steps, step), "sanity_checks": False}
    return _run(basic_iterative_method, name, target, x, y, budget, evaluations=steps, **options)


def momentum_iterative(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 20,
    step: float | None = None,
    decay: float = 1.0,
    name: str = "MI-FGSM",
) -> Attacked:
    """Gradient steps along a running sum of normalized gradients.

    Arguments as for `basic_iterative`; ``decay`` is the share of the sum that each step keeps.

    Source:
        Dong et al., CVPR 2018; ``cleverhans.tf2.attacks.momentum_iterative_method``.
    """
    from cleverhans.tf2.attacks.momentum_iterative_method import momentum_iterative_method

    options = {
        "nb_iter": steps,
        "eps_iter": _step(budget, steps, step),
        "decay_factor": decay,
        "sanity_checks": False,
    }
    return _run(momentum_iterative_method, name, target, x, y, budget, evaluations=steps, **options)


def _step(budget: Budget, steps: int, step: float | None) -> float:
    if steps < 1:
        raise ValueError(f"An iterated attack needs steps. Received: {steps=}")
    # CleverHans refuses steps longer than epsilon.
    return min(2.5 * budget.epsilon / steps if step is None else step, budget.epsilon)


def _run(
    attack: Callable[..., Any],
    name: str,
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    evaluations: int,
    **options: Any,
) -> Attacked:
    import tensorflow as tf

    source = check_gradients(target)
    if not isinstance(source, KerasTarget):
        raise ValueError(f"{name} comes from CleverHans and takes a KerasTarget: {source.name}")
    search = Search(source, x, y, budget)
    rows = search.standing
    for start in range(0, len(rows), source.batch):
        part = rows[start : start + source.batch]
        wanted = attack(
            source.model_fn,
            tf.constant(search.x[part], tf.float32),
            eps=float(budget.epsilon),
            norm=np.inf if budget.norm == LINF else 2,
            y=tf.constant(search.y[part]),
            clip_min=float(search.grid.low),
            clip_max=float(search.grid.high),
            **options,
        )
        search.queries[part] += evaluations
        source.queries += evaluations * len(part)
        # A gradient that is not finite moves nothing.
        search.offer(part, np.where(np.isfinite(wanted), wanted, search.x[part]))
    return search.result(name)
