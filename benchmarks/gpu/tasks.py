"""The three kinds of smoothing: how each shows a picture to its network, on the GPU."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gpu import views


@dataclass(frozen=True)
class Task:
    """One kind of smoothing.

    Attributes:
        name: "gaussian", "splits" or "bands".
        channels: of the network's input.
        sigma: of the noise that the network itself adds in training, in LSB.
        weight: of the consistency term.
        entropy: weight of the mean prediction's entropy.
        splits: the numbers of splits, one drawn per picture.
        band: columns in a band.
    """

    name: str
    channels: int = 3
    sigma: float = 0.0
    weight: float = 0.0
    entropy: float = 0.0
    splits: tuple[int, ...] = (1024,)
    band: int = 4

    def numbers(self, **changed: Any) -> dict[str, Any]:
        """What a compiled epoch takes as data rather than as code, on the host."""
        values = {"weight": self.weight, "entropy": self.entropy, "teach": 0.0, **changed}
        given = {name: np.float32(values[name]) for name in ("weight", "entropy", "teach")}
        if self.name == "splits":
            splits = values.get("splits", self.splits)
            # As many rows for one number of splits as for all: one program serves both.
            splits = [splits[i % len(splits)] for i in range(len(self.splits))]
            given["splits"] = np.array(splits, np.int32)
            given["shifts"] = np.stack([views.shifts(m, (32, 32, 3)) for m in splits])
        return given

    def view(self, key: Any, pictures: Any, numbers: Any) -> Any:
        """float32 inputs of the network, one fresh view of every uint8 picture."""
        if self.name == "splits":
            one, two = jax.random.split(key)
            which = jax.random.randint(one, (len(pictures),), 0, len(self.splits))
            splits = numbers["splits"][which]
            split = jax.random.randint(two, (len(pictures),), 0, splits)
            return views.split_pixels(
                pictures.astype(jnp.int32),
                split[:, None, None, None],
                splits[:, None, None, None],
                numbers["shifts"][which],
                jnp,
            ).astype(jnp.float32)
        if self.name == "bands":
            start = jax.random.randint(key, (len(pictures), 1, 1, 1), 0, pictures.shape[2])
            bands = views.band_pixels(pictures.astype(jnp.int32), start, self.band, jnp)
            return bands.astype(jnp.float32)
        return pictures.astype(jnp.float32)

    def noisy(self, key: Any, pictures: Any, numbers: Any) -> Any:
        """A view with the noise in it, for a network that adds none in inference."""
        one, two = jax.random.split(key)
        x = self.view(one, pictures, numbers)
        noise = jnp.floor(self.sigma * jax.random.normal(two, x.shape) + 0.5)
        return jnp.clip(x + noise, 0, views.TOP)


def augment(key: Any, pictures: Any) -> Any:
    """Random crops of the pictures padded with four zeros, and random flips."""
    one, two = jax.random.split(key)
    padded = jnp.pad(pictures, ((0, 0), (4, 4), (4, 4), (0, 0)))
    corners = jax.random.randint(one, (len(pictures), 2), 0, 9)
    size = pictures.shape[1:]
    cut = jax.vmap(lambda x, at: jax.lax.dynamic_slice(x, (at[0], at[1], 0), size))(padded, corners)
    flip = jax.random.bernoulli(two, 0.5, (len(pictures), 1, 1, 1))
    return jnp.where(flip, cut[:, :, ::-1], cut)
