"""Pictures of an evaluation: adversarial inputs, accuracy against epsilon."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qrobust.attacks.ground.budget import IN_PIXELS, LINF, Budget
from qrobust.attacks.ground.search import Attacked
from tflite_export.atomic import replacing

_EXAMPLES = 8


def curve(curves: Mapping[str, Mapping[float, float]], budget: Budget, path: Path) -> None:
    """Accuracy against epsilon, one line a model.

    Args:
        curves: name -> epsilon in LSB -> accuracy in [0, 1].
        budget: of the evaluation; drawn as a line.
        path: of the PNG.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.axvline(budget.epsilon, color="gray", linestyle=":")
    norm = "L-inf" if budget.norm == LINF else budget.norm.capitalize()
    unit = "in pixels" if budget.norm in IN_PIXELS else "in steps of the input grid (LSB)"
    axes.set(xlabel=f"epsilon, {norm}, {unit}", ylabel="accuracy", ylim=(0, 1))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120)


def pictures(attacks: Sequence[Attacked], path: Path) -> None:
    """Clean input, adversarial input and their difference for up to eight images.

    Each column takes the next attack that brought an image down.

    Args:
        attacks: at least one of them moved an image.
        path: of the PNG.
    """
    found = [
        (attack, int(index)) for attack in attacks for index in np.flatnonzero(attack.moved)[:2]
    ][:_EXAMPLES]
    figure = Figure(figsize=(1.6 * max(len(found), 2), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(3, len(found), squeeze=False)
    for column, (attack, index) in enumerate(found):
        clean = attack.clean[index].astype(np.int64)
        adversarial = attack.adversarial[index].astype(np.int64)
        low, high = attack.clean.min(), attack.clean.max()
        for row, values in enumerate((clean, adversarial)):
            shown = (_plane(values) - low) / max(int(high) - int(low), 1)
            axes[row, column].imshow(np.clip(shown, 0, 1), cmap="gray", vmin=0, vmax=1)
        delta = adversarial - clean
        largest = max(int(np.abs(delta).max()), 1)
        shown = _plane(delta) / (2 * largest) + 0.5
        axes[2, column].imshow(shown, cmap="coolwarm", vmin=0, vmax=1)
        axes[0, column].set_title(f"{attack.name}\nimage {index}", fontsize=8)
        axes[2, column].set_title(f"+-{largest} LSB", fontsize=8)
        for row in range(3):
            axes[row, column].set_axis_off()
    figure.suptitle("Clean, adversarial, difference (scaled to its largest value)", fontsize=9)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120)


def _plane(values: NDArray[Any]) -> NDArray[np.float64]:
    """RGB as it is, one channel without its axis, anything else as a matrix."""
    if values.ndim == 3 and values.shape[-1] == 3:
        return values.astype(np.float64)
    if values.ndim == 3:
        return values[..., 0].astype(np.float64)
    return values.reshape(len(values), -1).astype(np.float64)
