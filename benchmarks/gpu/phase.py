"""A phase of training: a network, its optimizer, and a share of the clock."""

import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def sgd(rate: float) -> Any:
    """For float networks: Nesterov's momentum, decay of kernels, clipped gradients."""

    def chain(learning_rate: Any) -> Any:
        return optax.chain(
            optax.clip_by_global_norm(5.0),
            optax.add_decayed_weights(1e-4, mask=lambda p: jax.tree.map(lambda v: v.ndim > 1, p)),
            optax.sgd(learning_rate, momentum=0.9, nesterov=True),
        )

    return optax.inject_hyperparams(chain)(learning_rate=rate)


def adam(rate: float) -> Any:
    """For quantized networks."""
    return optax.inject_hyperparams(optax.adam)(learning_rate=rate)


class Phase:
    """Epochs until a number of seconds is over; the learning rate falls as a cosine of the clock.

    Attributes:
        elapsed: seconds spent in epochs.
        epochs: how many there were.
        last: seconds of the last one, by which is judged whether another fits.
    """

    def __init__(self, name: str, model: Any, optimizer: Any, rate: float, seed: int) -> None:
        self.name = name
        self.model = model
        self.optimizer = optimizer
        self.rate = rate
        self.seed = seed
        self.elapsed = 0.0
        self.epochs = 0
        self.last = 0.0
        tv, ntv = variables_of(model)
        # On the host: what is on the device is given away to the compiled program.
        state = self.optimizer.init([jnp.asarray(v) for v in tv])
        self.values = jax.device_get((tv, ntv, state))

    def run(self, programs: Any, seconds: float, until: float, order_of: Any, rest: Any,
            frozen_share: float = 0.0, every: Any = None, saved: Any = None,
            slowest: float = math.inf) -> float:  # fmt: skip
        """Train until the phase has had its seconds, or until a moment of `time.time()`.

        Args:
            programs: the compiled epoch, and the one with fixed statistics or None.
            seconds: of the whole phase, earlier runs of it counted in.
            until: moment after which no epoch starts.
            order_of: gives the indices (steps, batch) of an epoch by its number.
            rest: further arguments of the program.
            frozen_share: the last share of the seconds has fixed statistics.
            every: called with what happened, about every ten seconds.
            saved: file that is written then, to go on from.
            slowest: seconds that an epoch may take.

        Raises:
            RuntimeError: the loss is no number, or an epoch takes longer than it may.

        Returns:
            Seconds that this run took.
        """
        begun = time.time()
        values = jax.device_put(self.values)
        told = self.elapsed
        while self.elapsed + self.last / 2 < seconds and time.time() + self.last / 2 < until:
            start = time.time()
            share = self.elapsed / seconds
            fixed = share >= 1 - frozen_share
            program = programs[1] if fixed and programs[1] else programs[0]
            rate = self.rate * 0.5 * (1 + math.cos(math.pi * share)) + 1e-5
            values[2].hyperparams["learning_rate"] = jnp.float32(rate)
            key = jax.random.PRNGKey(1000 * self.seed + self.epochs)
            *values, loss, right = program(*values, key, order_of(self.epochs), *rest)
            loss, right = float(loss), float(right)
            if not np.isfinite(loss):
                raise RuntimeError(f"{self.name}: loss {loss} at epoch {self.epochs}")
            self.last = last = time.time() - start
            if last > slowest:
                raise RuntimeError(f"{self.name}: an epoch took {last:.1f} s, {slowest:g} allowed")
            self.elapsed += last
            self.epochs += 1
            if every and self.elapsed - told > 10:
                told = self.elapsed
                every(epochs=self.epochs, loss=round(loss, 4), accuracy=round(right, 4),
                      epoch_seconds=round(last, 3), fixed=fixed)  # fmt: skip
                if saved:
                    self.values = jax.device_get(tuple(values))
                    self.save(saved, seconds)
        self.values = jax.device_get(tuple(values))
        tv, ntv, _ = self.values
        for variables, arrays in (
            (self.model.trainable_variables, tv),
            (self.model.non_trainable_variables, ntv),
        ):
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)
        return time.time() - begun

    def save(self, path: Any, seconds: float) -> None:
        """Write everything that the phase goes on from, and the seconds it is to have."""
        leaves = {f"leaf{i}": leaf for i, leaf in enumerate(jax.tree.leaves(self.values))}
        counts = {"elapsed": self.elapsed, "epochs": self.epochs, "last": self.last}
        np.savez(path, seconds=seconds, **counts, **leaves)

    def load(self, path: Any) -> float:
        """Go on from what `save` wrote; returns the seconds that the phase is to have."""
        with np.load(path) as saved:
            self.elapsed, self.last = float(saved["elapsed"]), float(saved["last"])
            self.epochs = int(saved["epochs"])
            shape = jax.tree.structure(self.values)
            leaves = [saved[f"leaf{i}"] for i in range(shape.num_leaves)]
            self.values = jax.tree.unflatten(shape, leaves)
            return float(saved["seconds"])


def variables_of(model: Any) -> Any:
    """Trainable and other variables of a Keras model, on the host."""
    return tuple(
        [np.asarray(v.value) for v in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
