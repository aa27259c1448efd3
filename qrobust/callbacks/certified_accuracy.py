"""Certified accuracy on a validation slice, while training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from qrobust.callbacks.keras_draws import KerasDraws
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.noise_table import ROUNDED_GAUSSIAN, noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.settings import CLOPPER_PEARSON, SEQUENTIAL, Settings
from qrobust.certify.report.summary import Share, least_q16
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing
from qrobust.layers.input_noise import input_noise

_METHODS = (CLOPPER_PEARSON, SEQUENTIAL)


class CertifiedAccuracy(keras.callbacks.Callback):
    """Share of examples that are classified right at a radius, by randomized smoothing.

    Every certificate holds with probability at least ``1 - alpha``: it comes from the methods of
    ``qrobust.certify``, on the model's own predictions in inference for the very copies that the
    certifier would make of the image with this index. With few samples the numbers are lower than
    those of the final certification, and comparable between epochs, which see the same noise.

    They appear as ``certified_accuracy_R`` in the epoch's logs, and so in CSV files, TensorBoard
    (put this callback before those) and the progress bar; NaN in epochs that are left out, and in
    those of a schedule that begins without noise, so that every epoch has the same columns.

    Args:
        x: (examples, ...): integers on the input grid, or floats in the model's own unit.
        y: (examples,) labels.
        radii: L2, in LSB.
        every: certify after every so many epochs.
        sigma: of the noise, in LSB; by default that of the model's ``GridNoise`` (of a range: its
            upper end).
        n0: pilot samples.
        n: samples of the bound; the most of them for "sequential".
        alpha: error probability of a certificate.
        settings: instead of n0, n, alpha and method, as a recipe has them.
        method: "clopper_pearson": n samples an image serve all radii. "sequential": a test per
            radius that stops early; a smaller bill for one or two radii and a large n.
        seed: of the noise, see ``Certifier``.
        batch_size: copies at once.

    Raises:
        ValueError: bad arguments, a model of several inputs, of one logit, or without noise on its
            input, inputs off the grid, or a radius that n samples can never show.
    """

    def __init__(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        *,
        radii: Sequence[float],
        every: int = 1,
        sigma: float | None = None,
        n0: int = 32,
        n: int = 256,
        alpha: float | str = "0.001",
        method: str = CLOPPER_PEARSON,
        settings: Settings | None = None,
        seed: int = 0,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        self.x, self.y = np.asarray(x), np.asarray(y).reshape(-1)
        if not len(self.x) == len(self.y) > 0:
            raise ValueError(
                f"x and y hold as many examples. Received: {len(self.x)} and {len(self.y)}"
            )
        self.radii = [float(radius) for radius in radii]
        if not self.radii or min(self.radii) < 0:
            raise ValueError(f"radii are not negative. Received: radii={radii}")
        if every < 1 or batch_size < 1:
            raise ValueError(
                f"every and batch_size are at least 1. Received: every={every}, "
                f"batch_size={batch_size}"
            )
        if settings is None and method != SEQUENTIAL:
            settings = Settings(method=method, n0=n0, n=n, alpha=str(alpha))
        elif settings is None:
            settings = Settings(
                method=method, n0=n0, n=n, alpha=str(alpha), radius=str(self.radii[0])
            )
        if settings.method not in _METHODS:
            raise ValueError(f"method is one of {_METHODS}. Received: method={settings.method!r}")
        self.every = every
        self.sigma = sigma
        self.seed = seed
        self.batch_size = batch_size
        self.settings = [settings]
        if settings.method == SEQUENTIAL:
            self.settings = [replace(settings, radius=str(radius)) for radius in self.radii]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Certify, and report."""
        if logs is None:
            return
        due = (epoch + 1) % self.every == 0 and self._sigma() > 0
        shares = self.certify() if due else np.full(len(self.radii), np.nan)
        for radius, share in zip(self.radii, shares, strict=True):
            logs[f"certified_accuracy_{radius:g}"] = float(share)

    def certify(self) -> NDArray[np.float64]:
        """The model's certified accuracy as it is now, at every radius."""
        return np.array([share.value for share in self.shares()])

    def shares(self) -> list[Share]:
        """How many examples are certified to their class by the model as it is now, per radius."""
        smoothing, shape = self._smoothing()
        sampler = smoothing.sampler()
        certified = np.zeros(len(self.radii), np.int64)
        for image, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            tensor = smoothing.grid.to_tensor(x, shape, where=f"image {image}")
            draws = KerasDraws(
                self.model, smoothing, sampler, shape, tensor, image, self.seed, self.batch_size
            )
            certified += self._holds(draws, int(y))
        return [
            Share(rational(str(radius), "a radius"), int(count), len(self.x))
            for radius, count in zip(self.radii, certified, strict=True)
        ]

    def evaluate(self, model: Any) -> float:
        """A model's certified accuracy at the first radius, as ``search_bits`` asks for it."""
        self.set_model(model)
        return float(self.certify()[0])

    def _holds(self, draws: KerasDraws, label: int) -> NDArray[np.bool_]:
        """For every radius, whether the label is certified there."""
        holds = np.zeros(len(self.radii), bool)
        pilot = draws.votes(Purpose.PILOT, 0, self.settings[0].n0)
        if np.argmax(pilot) != label:
            return holds
        # Radii rise here: what abstains at one abstains at all that are larger.
        tests = len(self.settings)
        for i in np.argsort(self.radii) if tests > 1 else range(tests):
            settings = self.settings[i]
            outcome = make_method(settings, draws.smoothing, len(pilot)).run(draws)
            if outcome.radius_q16 == ABSTAIN:
                break
            if settings.method == SEQUENTIAL:
                holds[i] = True
            else:
                holds = np.array([least_q16(str(r)) <= outcome.radius_q16 for r in self.radii])
        return holds

    def _sigma(self) -> float:
        # A layer's sigma was rounded to float32: its shortest decimal is the one that was meant.
        noisy = input_noise(self.model).sigma[1] if self.sigma is None else self.sigma
        return float(str(np.float32(noisy))) if self.sigma is None else float(noisy)

    def _smoothing(self) -> tuple[GaussianSmoothing, tuple[int, ...]]:
        """How the model's inputs are randomized, and the shape of one."""
        if len(self.model.inputs) != 1:
            raise ValueError(
                f"Model '{self.model.name}' has {len(self.model.inputs)} inputs; certified "
                f"accuracy is of models with one."
            )
        classes = self.model.output_shape[-1]
        if len(self.model.outputs) != 1 or len(self.model.output_shape) != 2 or classes < 2:
            raise ValueError(
                f"Model '{self.model.name}' gives {self.model.output_shape}; certified accuracy "
                f"compares 2 classes or more. End the model in 2 logits instead of one."
            )
        noise = input_noise(self.model)
        sigma = self._sigma()
        grid = InputGrid("int8", 2.0**noise.exponent, noise.grid().zero_point)
        table = noise_table(ROUNDED_GAUSSIAN, rational(str(sigma), "sigma"), grid.span)
        shape = tuple(self.model.inputs[0].shape[1:])
        return GaussianSmoothing(table, grid, int(np.prod(shape))), shape
