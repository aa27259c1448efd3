"""One random generator an image: what befalls it does not depend on the others of its batch."""

from collections.abc import Iterable, Sequence

import numpy as np

Generators = list[np.random.Generator]


def generators(seed: int, images: int) -> Generators:
    """A generator for each image, seeded by the attack's seed and the image's position."""
    return [np.random.default_rng((seed, index)) for index in range(images)]


def of(rngs: Sequence[np.random.Generator], rows: Iterable[int]) -> Generators:
    """The generators of some images."""
    return [rngs[row] for row in rows]
