"""Which adversarial inputs of one network also fool another, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from qrobust.attacks.ground.budget import Budget
from qrobust.attacks.ground.pixel_grid import Integers, distances
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import CROSS_ENTROPY, MARGIN, Target, check_gradients
from qrobust.attacks.targets.keras_target import KerasTarget
from qrobust.attacks.white_box.projected_gradient import projected_gradient


@dataclass(frozen=True, eq=False, repr=False)
class Transfer:
    """Adversarial inputs of every source, shown to every target.

    Attributes:
        sources: names, rows of ``accuracy``.
        targets: names, columns.
        images: all of them classified correctly by every source and target.
        accuracy: float64[sources, targets], of the target on the source's inputs, in [0, 1].
        size: for each source, mean ``l0`` (values), ``l1``, ``l2``, ``linf`` (LSB) of what was
            shown, over the images that were changed.
        cosine: float64[sources, sources], mean cosine between loss gradients at clean inputs;
            near 0 where gradients are misaligned.
        shift: for each source that is a Keras model, the share of activations that its
            adversarial inputs leave unchanged: 0 would be none, and quantization raises it by
            mapping different values to one (Bernhard's quantization value shift).
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    images: int
    accuracy: NDArray[np.float64]
    size: tuple[dict[str, float], ...]
    cosine: NDArray[np.float64]
    shift: tuple[float | None, ...]

    def __repr__(self) -> str:
        return (
            f"Transfer({', '.join(self.sources)} -> {', '.join(self.targets)}: {self.images} "
            f"images, accuracy {self.accuracy.min():.1%} to {self.accuracy.max():.1%})"
        )

    def markdown(self) -> str:
        """Two tables: accuracy of every target with the perturbations' sizes; the explanations."""
        accuracies = [
            {
                "crafted on": source,
                **{name: f"{value:.1%}" for name, value in zip(self.targets, values, strict=True)},
                **{norm: f"{value:.4g}" for norm, value in size.items()},
            }
            for source, values, size in zip(self.sources, self.accuracy, self.size, strict=True)
        ]
        reasons = [
            {
                "gradient cosine": source,
                **{name: f"{value:.3f}" for name, value in zip(self.sources, values, strict=True)},
                "activations unchanged": "-" if shift is None else f"{shift:.1%}",
            }
            for source, values, shift in zip(self.sources, self.cosine, self.shift, strict=True)
        ]
        options = {"headers": "keys", "tablefmt": "github", "disable_numparse": True}
        return f"{tabulate(accuracies, **options)}\n\n{tabulate(reasons, **options)}\n"


def transfer_matrix(
    sources: Sequence[Target],
    targets: Sequence[Target],
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 40,
    seed: int = 0,
    craft: Callable[[Target, NDArray[Any], NDArray[Any]], Attacked] | None = None,
) -> Transfer:
    """Attack every source; show the strongest point of each image to every target.

    PGD takes all its steps, whether or not the source errs before: an image that the source
    classifies correctly to the end may still fool another model.

    Args:
        sources: show gradients; the same grid for all.
        targets: need none.
        x: [n, *shape], grid integers.
        y: [n], true classes.
        budget: the ball.
        steps: of PGD, with one restart for each of its losses.
        seed: of PGD.
        craft: another attack, called with a source, x and y; one with a budget should not stop at
            the source's boundary (``stop=False``), one without shows what it returned, so give
            Carlini and Wagner's a confidence.

    Raises:
        ValueError: no image that all classify correctly.

    Source:
        Bernhard, Moellic and Dutertre, Impact of Low-bitwidth Quantization on the Adversarial
        Robustness for Embedded Neural Networks, CW 2019, sections 4 and 5.
    """
    right = np.ones(len(x), bool)
    for target in (*sources, *targets):
        right &= ~Search(target, x, y, None).fallen
    if not right.any():
        raise ValueError(
            f"None of {len(x)} images is classified correctly by all models; nothing to transfer."
        )
    x, y = np.asarray(x)[right], np.asarray(y)[right]

    def ascend(source: Target, x: NDArray[Any], y: NDArray[Any]) -> Attacked:
        return projected_gradient(
            source,
            x,
            y,
            budget,
            steps=steps,
            restarts=2,
            losses=(CROSS_ENTROPY, MARGIN),
            stop=False,
            seed=seed,
        )

    crafted = [(craft or ascend)(source, x, y) for source in sources]
    accuracy = [[show(attack, target, y).accuracy for target in targets] for attack in crafted]
    return Transfer(
        sources=tuple(source.name for source in sources),
        targets=tuple(target.name for target in targets),
        images=int(right.sum()),
        accuracy=np.array(accuracy),
        size=tuple(shown_sizes(attack) for attack in crafted),
        cosine=gradient_cosine(sources, x, y),
        shift=tuple(
            unchanged_activations(source, attack) if isinstance(source, KerasTarget) else None
            for source, attack in zip(sources, crafted, strict=True)
        ),
    )


def show(attack: Attacked, target: Target, y: NDArray[Any], *, name: str | None = None) -> Attacked:
    """The strongest points found on another model, shown to a target: one query an image."""
    search = Search(target, attack.clean, y, attack.budget)
    rows = search.standing
    if len(rows):
        search.offer(rows, attack.strongest[rows])
    return search.result(name or attack.name, attack.seed)


def mean_sizes(attack: Attacked) -> dict[str, float]:
    """Mean ``l0``, ``l1``, ``l2``, ``linf`` of the perturbations that an attack succeeded with."""
    return _means(attack, attack.adversarial, attack.moved)


def shown_sizes(attack: Attacked) -> dict[str, float]:
    """The same of what `show` shows to other models, over the images that differ from clean."""
    return _means(attack, attack.strongest, _changed(attack))


def _changed(attack: Attacked) -> NDArray[np.bool_]:
    axes = tuple(range(1, attack.clean.ndim))
    return np.asarray((attack.clean != attack.strongest).any(axes))


def _means(attack: Attacked, points: Integers, which: NDArray[np.bool_]) -> dict[str, float]:
    sizes = distances(attack.clean, points)
    if not which.any():
        return dict.fromkeys(sizes, 0.0)
    return {norm: float(size[which].mean()) for norm, size in sizes.items()}


def gradient_cosine(
    targets: Sequence[Target], x: NDArray[Any], y: NDArray[Any]
) -> NDArray[np.float64]:
    """Mean cosine between the cross-entropy gradients of models, float64[models, models].

    A gradient that is zero counts as a cosine of 0.
    """
    units = []
    for target in targets:
        search = Search(target, x, y, None)
        _, gradients = check_gradients(target).gradients(search.x, search.y, CROSS_ENTROPY)
        flat = gradients.reshape(len(x), -1).astype(np.float64)
        flat /= np.maximum(np.abs(flat).max(axis=1, keepdims=True), 1e-300)
        units.append(flat / np.maximum(np.sqrt((flat**2).sum(axis=1, keepdims=True)), 1e-12))
    return np.array([[float((a * b).sum(axis=1).mean()) for b in units] for a in units])


def unchanged_activations(target: KerasTarget, attack: Attacked) -> float:
    """Share of hidden activations that are equal on clean inputs and on the strongest points.

    Activations that are 0 on both are left out: a ReLU puts them there in float networks too.
    """
    import keras

    model = target.model
    outputs = [
        layer.output
        for layer in model.layers[:-1]
        if not isinstance(layer, keras.layers.InputLayer) and _shows_activations(layer)
    ]
    if not outputs:
        return 0.0
    hidden = keras.Model(model.inputs, outputs)
    moved = _changed(attack)
    if not moved.any():
        return 0.0
    pictures = (attack.clean[moved], attack.strongest[moved])
    clean, perturbed = (hidden.predict(target.grid.real(p), verbose=0) for p in pictures)
    if len(outputs) == 1:
        clean, perturbed = [clean], [perturbed]
    active = equal = 0
    for a, b in zip(clean, perturbed, strict=True):
        live = (a != 0) | (b != 0)
        active += int(live.sum())
        equal += int((live & (a == b)).sum())
    return equal / max(active, 1)


def _shows_activations(layer: Any) -> bool:
    """Whether a layer's output went through an activation: a layer of one, or one with its own."""
    # A penalty's wrapper shows what the layer inside shows.
    function = getattr(getattr(layer, "layer", layer), "activation", None)
    return function is not None and getattr(function, "__name__", "") != "linear"
