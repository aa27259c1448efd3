"""What attacks cost a network, what bits cost it, and what both cost together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.search import Attacked
from qrobust.attacks.ground.target import Target, check_images

#: (target, x, y) -> the attack's outcome.
Attack = Callable[[Target, NDArray[Any], NDArray[Any]], Attacked]


@dataclass(frozen=True)
class Losses:
    """Accuracies on the same images, and what they add up to; shares, none of them an estimate.

    Attributes:
        name: of the network.
        clean: right answers, bool[images].
        attacked: right answers that the attack left, bool[images].
        reference: right answers of the network it is compared with, clean, bool[images].
    """

    name: str
    clean: NDArray[np.bool_]
    attacked: NDArray[np.bool_]
    reference: NDArray[np.bool_]

    @property
    def adversarial(self) -> float:
        """Adversarial loss: accuracy of this network, less what it keeps under attack."""
        return float(self.clean.mean() - self.attacked.mean())

    @property
    def quantization(self) -> float:
        """Quantization loss: accuracy of the reference (the float network), less this one's."""
        return float(self.reference.mean() - self.clean.mean())

    @property
    def joint(self) -> float:
        """Both: accuracy of the reference, less what this network keeps under attack."""
        return float(self.reference.mean() - self.attacked.mean())


def losses(
    networks: Mapping[str, Target], x: NDArray[Any], y: NDArray[Any], attack: Attack
) -> list[Losses]:
    """Adversarial and quantization loss of several versions of one network.

    Args:
        networks: name -> target; the first one, the float network, is what the others are compared
            with.
        x: [n, *shape], grid integers.
        y: [n], true classes.
        attack: white box, inside a ball; each network meets its own.

    Raises:
        ValueError: no networks, or images that do not fit.

    Source:
        Song, Fallon and Li 2021, whose criteria these are (from the abstract).
    """
    if not networks:
        raise ValueError("losses compares networks with the first of them. Received: none")
    found: list[Losses] = []
    for name, target in networks.items():
        images, labels = check_images(target, x, y)
        clean = target.logits(images).argmax(axis=1) == labels
        left = ~attack(target, images, labels).fallen
        found.append(Losses(name, clean, left, found[0].clean if found else clean))
    return found
