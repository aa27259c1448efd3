"""Certify and predict: the smoothed version of an integer file, one input at a time."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text, text_above
from qrobust.certify.arithmetic.noise_table import NoiseTable
from qrobust.certify.arithmetic.radius import ABSTAIN, binomial_test, charged_level, check_samples
from qrobust.certify.arithmetic.streams import LAYOUT_VERSION, Purpose, check_key
from qrobust.certify.file.model_file import Model, load_model, runtime
from qrobust.certify.file.smoothing_spec import SmoothingSpec, check_spec, read_spec
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.outcome import Method
from qrobust.certify.methods.settings import CLOPPER_PEARSON, Settings
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.image_draws import ImageDraws, Input
from qrobust.certify.run.votes import DEFAULT_BATCH, VoteCounter
from qrobust.certify.smoothings.smoothing import GaussianSmoothing, Smoothing


class Certifier:
    """Certifies the smoothed version of an integer ``.tflite`` classifier.

    Args:
        model: path or bytes of the file.
        sigma: scale of the noise in input LSB. Needed only where the file has no smoothing spec;
            where it has one, it must agree.
        noise: kind of noise, likewise.
        seed: of the random streams, in [0, 2**64). The same seed, file and input give the same
            votes on every machine.
        threads: interpreters at work; all cores by default.
        batch_size: inputs per ``invoke``; changes the speed only.
        kernels: LiteRT kernel family: ``"xnnpack"``, ``"builtin"`` or ``"reference"``.
        workers: child processes that share the work, each with ``threads`` interpreters.
        trusted: run the file in this process, not in a child with limits; only for files of known
            origin that the integer contract's reader accepts.

    Raises:
        CertifyError: no integer classifier, no sigma, or one that contradicts the file's spec.
    """

    def __init__(
        self,
        model: Model,
        *,
        sigma: Exact | None = None,
        noise: str | None = None,
        seed: int = 0,
        threads: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        kernels: str = "xnnpack",
        workers: int = 1,
        trusted: bool = False,
    ) -> None:
        self.file = load_model(model, trusted=trusted)
        self.spec = self._agree(read_spec(self.file.content), sigma, noise)
        self.smoothing: Smoothing = self.spec.smoothing(self.file.shape)
        self.seed = check_key("seed", seed)
        self.kernels = kernels
        self.counter = VoteCounter(
            self.file,
            self.smoothing,
            threads=threads,
            batch_size=batch_size,
            kernels=kernels,
            processes=workers,
        )

    def _agree(
        self, spec: SmoothingSpec | None, sigma: Exact | None, noise: str | None
    ) -> SmoothingSpec:
        """The spec in force: the file's own or the caller's, who must not contradict it."""
        given = None if sigma is None else rational(sigma, "sigma")
        if given is not None and given <= 0:
            raise CertifyError(f"sigma must be positive (in input LSB), received {sigma}")
        if spec is None:
            if given is None:
                raise CertifyError(
                    "the file has no smoothing spec; give sigma in input LSB or attach a spec"
                )
            grid = self.file.grid
            return (
                SmoothingSpec(given, grid) if noise is None else SmoothingSpec(given, grid, noise)
            )
        check_spec(spec, self.file)
        if given not in (None, spec.sigma):
            raise CertifyError(
                f"sigma={sigma} contradicts the file's smoothing spec, which says "
                f"{text(spec.sigma)}; leave sigma out or attach another spec"
            )
        if noise not in (None, spec.noise):
            raise CertifyError(
                f"noise={noise} contradicts the file's smoothing spec, which says {spec.noise}"
            )
        return spec

    @property
    def noise(self) -> NoiseTable:
        """Table of the noise; `CertifyError` where the smoothing is an ablation."""
        if not isinstance(self.smoothing, GaussianSmoothing):
            raise CertifyError("an ablated classifier has no noise table")
        return self.smoothing.noise

    def copies(
        self,
        x: NDArray[Any],
        count: int,
        *,
        index: int = 0,
        purpose: Purpose = Purpose.BOUND,
        start: int = 0,
    ) -> NDArray[np.int16]:
        """Return the very copies that votes are counted on, as grid integers.

        Args:
            x: one input.
            count: how many copies.
            index: of the image.
            purpose: which of its streams.
            start: index of the first sample.

        Returns:
            int16[count, *shape].
        """
        grid = self.file.grid
        out = np.empty((count, self.file.coordinates), grid.dtype)
        tensor, key = self.prepare(x, index=index).tensor, (self.seed, index)
        self.smoothing.sampler().fill(tensor, out, key=key, purpose=purpose, start=start)
        return (out.astype(np.int16) - np.int16(grid.zero_point)).reshape(count, *self.file.shape)

    def prepare(self, x: NDArray[Any], *, index: int = 0) -> Input:
        """Return one input on the grid; raise `CertifyError` naming the image where it is bad.

        Args:
            x: one input of the model's shape: integers on the grid, or floats to be quantized.
            index: of the image, in [0, 2**64).
        """
        check_key("image index", index)
        x = np.asarray(x)
        tensor = self.file.grid.to_tensor(x, self.file.shape, where=f"image {index}")
        return Input(tensor, x.dtype.kind == "f", index)

    def check_label(self, y: int | None, index: int) -> None:
        """Raise `CertifyError` unless ``y`` is one of the model's classes or None."""
        if y is not None and not 0 <= y < self.file.classes:
            raise CertifyError(
                f"image {index} has y={y}; the model has classes 0 to {self.file.classes - 1}"
            )

    def votes(
        self,
        x: NDArray[Any],
        n: int,
        *,
        index: int = 0,
        purpose: Purpose = Purpose.BOUND,
        start: int = 0,
    ) -> NDArray[np.int64]:
        """Return the votes of ``n`` randomized copies, int64[classes].

        Args:
            x: one input.
            n: how many samples, at least 1.
            index: of the image.
            purpose: which of its streams.
            start: index of the first sample.
        """
        if n < 1 or start < 0:
            raise CertifyError(f"give n >= 1 and start >= 0, received n={n}, start={start}")
        return ImageDraws(self.counter, self.seed, self.prepare(x, index=index)).votes(
            purpose, start, n
        )

    def method(self, settings: Settings) -> Method:
        """Return the method of some settings; `CertifyError` where it could never certify."""
        return make_method(settings, self.smoothing, self.file.classes)

    def certify(
        self,
        x: NDArray[Any],
        *,
        n0: int = 100,
        n: int = 10_000,
        alpha: Exact = "0.001",
        method: str = CLOPPER_PEARSON,
        radius: Exact | None = None,
        gain: Exact | None = None,
        index: int = 0,
        y: int | None = None,
    ) -> Certificate:
        """Certify one input.

        With probability at least ``1 - alpha`` over the sampling, the smoothed classifier gives
        the certificate's label for every input within its radius (if it does not abstain).
        ``n0`` samples choose the class, fresh ones bound its probability.

        Args:
            x: one input of the model's shape.
            n0: pilot samples.
            n: samples of the bound; the most of them for the methods that stop by themselves.
            alpha: error probability, in (0, 0.5].
            method: ``"clopper_pearson"``, ``"randomized_clopper_pearson"``, ``"two_class"``,
                ``"sequential"`` (at one radius) or ``"anytime"``.
            radius: of the sequential test, in LSB (L2) or pixels (L0).
            gain: share of the radius that an anytime certificate may leave on the table.
            index: of the image: other images draw other noise.
            y: true class, if known; it is only recorded.

        Raises:
            CertifyError: a bad input, or an ``n`` that can never certify at ``alpha``.

        References:
            Cohen, Rosenfeld and Kolter, ICML 2019, section 3.2.2, CERTIFY.
        """
        settings = Settings(
            method=method,
            n0=n0,
            n=n,
            alpha=str(alpha),
            radius=None if radius is None else str(radius),
            gain=None if gain is None else str(gain),
        )
        return self.run(settings, x, index=index, y=y)

    def run(
        self, settings: Settings, x: NDArray[Any], *, index: int = 0, y: int | None = None
    ) -> Certificate:
        """Certify one input with ready-made settings; see :meth:`certify`."""
        started = time.perf_counter()
        method = self.method(settings)
        self.check_label(y, index)
        source = self.prepare(x, index=index)
        outcome = method.run(ImageDraws(self.counter, self.seed, source))
        description = self.smoothing.description
        charged = settings.n * self.smoothing.variation
        return Certificate(
            index=index,
            label=ABSTAIN if outcome.radius_q16 == ABSTAIN else outcome.candidate,
            candidate=outcome.candidate,
            radius_q16=max(outcome.radius_q16, 0),
            norm=self.smoothing.norm,
            decision=outcome.decision,
            votes=tuple(int(count) for count in outcome.votes),
            n0=outcome.pilot,
            n=int(outcome.votes.sum()),
            settings=settings.to_json(),
            sampler_error=text_above(charged),
            span=self.file.grid.span,
            coordinates=self.file.coordinates,
            seed=self.seed,
            streams=LAYOUT_VERSION,
            quantized_input=source.quantized,
            input_sha256=source.sha256,
            model_sha256=self.file.sha256,
            runtime=runtime(),
            kernels=self.kernels,
            unit=self.spec.unit,
            y=y,
            seconds=round(time.perf_counter() - started, 6),
            **description,
        )

    def predict(
        self, x: NDArray[Any], *, n: int = 10_000, alpha: Exact = "0.001", index: int = 0
    ) -> int:
        """Return the smoothed classifier's class, or `ABSTAIN` where the vote is too close.

        A returned class is wrong with probability at most ``alpha``.

        References:
            Cohen, Rosenfeld and Kolter, ICML 2019, section 3.2.1, PREDICT.
        """
        if n < 1:
            raise CertifyError(f"n must be at least 1, received {n}")
        level = charged_level(rational(alpha, "alpha"), n, self.smoothing.variation)
        check_samples(n, level / 2)
        votes = ImageDraws(self.counter, self.seed, self.prepare(x, index=index)).votes(
            Purpose.PREDICT, 0, n
        )
        order = np.argsort(-votes, kind="stable")  # ties to the lowest index
        first, second = (int(votes[i]) for i in order[:2])
        return int(order[0]) if binomial_test(first, second, level) else ABSTAIN

    def classify(self, x: NDArray[Any], *, index: int = 0) -> int:
        """Return the label of the input without noise; nothing is certified by it."""
        return self.counter.classify(self.prepare(x, index=index).tensor)

    def close(self) -> None:
        """End the threads."""
        self.counter.close()

    def __enter__(self) -> Certifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
