"""Gaussian smoothing: what its training shows to a network, on the GPU."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

TOP = 255


@dataclass(frozen=True)
class Task:
    """What a training is for.

    Attributes:
        sigma: of the noise that the network itself adds in training, in LSB.
        weight: of the consistency term.
        entropy: weight of the mean prediction's entropy.
    """

    sigma: float
    weight: float
    entropy: float

    def numbers(self, teach: float = 0.0) -> dict[str, Any]:
        """What a compiled epoch takes as data rather than as code, on the host."""
        given = {"weight": self.weight, "entropy": self.entropy, "teach": teach}
        return {name: np.float32(value) for name, value in given.items()}

    def noisy(self, key: Any, pictures: Any) -> Any:
        """Pictures with the noise in them, for a network that adds none in inference."""
        noise = jnp.floor(self.sigma * jax.random.normal(key, pictures.shape) + 0.5)
        return jnp.clip(pictures.astype(jnp.float32) + noise, 0, TOP)


def augment(key: Any, pictures: Any) -> Any:
    """Random crops of the pictures padded with four zeros, and random flips."""
    one, two = jax.random.split(key)
    padded = jnp.pad(pictures, ((0, 0), (4, 4), (4, 4), (0, 0)))
    corners = jax.random.randint(one, (len(pictures), 2), 0, 9)
    size = pictures.shape[1:]
    cut = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, (at[0], at[1], 0), size))(padded, corners)
    flip = jax.random.bernoulli(two, 0.5, (len(pictures), 1, 1, 1))
    return jnp.where(flip, cut[:, :, ::-1], cut)
