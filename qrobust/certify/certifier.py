"""Certify and predict: Cohen's two algorithms on an integer file."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.bounds import (
    ABSTAIN,
    binomial_test,
    charged_level,
    check_samples,
    probability_bound,
    radius_q16,
)
from qrobust.certify.certificate import CLOPPER_PEARSON, Certificate
from qrobust.certify.errors import CertifyError
from qrobust.certify.model import Model, load_model, runtime
from qrobust.certify.noise import ROUNDED_GAUSSIAN, noise_table
from qrobust.certify.rational import Exact, rational, text, text_above
from qrobust.certify.spec import check_spec, read_spec
from qrobust.certify.streams import LAYOUT_VERSION, Purpose, check_key
from qrobust.certify.votes import DEFAULT_BATCH, VoteCounter


@dataclass(frozen=True)
class Input:
    """One input on the grid, ready for the interpreter.

    Attributes:
        tensor: int16[coordinates], tensor values.
        quantized: whether it was given as real numbers.
        index: of the image, the second word of its random streams' key.
    """

    tensor: NDArray[np.int16]
    quantized: bool
    index: int

    @property
    def sha256(self) -> str:
        """Digest of the values as little-endian int16."""
        return hashlib.sha256(self.tensor.astype("<i2").tobytes()).hexdigest()


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
    ) -> None:
        self.file = load_model(model)
        self.spec = read_spec(self.file.content)
        if self.spec is not None:
            check_spec(self.spec, self.file.grid, self.file.classes)
        self.sigma, kind = self._smoothing(sigma, noise)
        self.noise = noise_table(kind, self.sigma, self.file.grid.span)
        self.seed = check_key("seed", seed)
        self.kernels = kernels
        self.counter = VoteCounter(
            self.file,
            self.noise,
            seed=seed,
            threads=threads,
            batch_size=batch_size,
            kernels=kernels,
        )

    def _smoothing(self, sigma: Exact | None, noise: str | None) -> tuple[Fraction, str]:
        """Scale and kind of the noise, from the spec or the caller, who must agree."""
        given = None if sigma is None else rational(sigma, "sigma")
        if given is not None and given <= 0:
            raise CertifyError(f"sigma must be positive (in input LSB), received {sigma}")
        if self.spec is None:
            if given is None:
                raise CertifyError(
                    "the file has no smoothing spec; give sigma in input LSB or attach a spec"
                )
            return given, noise or ROUNDED_GAUSSIAN
        if given not in (None, self.spec.sigma):
            raise CertifyError(
                f"sigma={sigma} contradicts the file's smoothing spec, which says "
                f"{text(self.spec.sigma)}; leave sigma out or attach another spec"
            )
        if noise not in (None, self.spec.noise):
            raise CertifyError(
                f"noise={noise} contradicts the file's smoothing spec, which says {self.spec.noise}"
            )
        return self.spec.sigma, self.spec.noise

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
        """Return the votes of ``n`` noisy copies, int64[classes].

        Args:
            x: one input.
            n: how many samples, at least 1.
            index: of the image.
            purpose: which of its streams.
            start: index of the first sample.
        """
        if n < 1 or start < 0:
            raise CertifyError(f"give n >= 1 and start >= 0, received n={n}, start={start}")
        return self._count(self.prepare(x, index=index), n, purpose, start)

    def _count(self, source: Input, n: int, purpose: Purpose, start: int = 0) -> NDArray[np.int64]:
        return self.counter.count(
            source.tensor, image=source.index, purpose=purpose, start=start, count=n
        )

    def level(self, alpha: Exact, n: int) -> tuple[Fraction, Fraction]:
        """Return alpha, exact, and what is left of it once the sampler's error is charged."""
        exact = rational(alpha, "alpha")
        return exact, charged_level(exact, n, self.file.coordinates * self.noise.variation)

    def check_settings(self, *, n0: int, n: int, alpha: Exact) -> tuple[Fraction, Fraction]:
        """Return alpha and its charged level; raise `CertifyError` where nothing can come of it."""
        if n0 < 1:
            raise CertifyError(f"n0 must be at least 1, received {n0}")
        exact, level = self.level(alpha, n)
        check_samples(n, level)
        return exact, level

    def certify(
        self,
        x: NDArray[Any],
        *,
        n0: int = 100,
        n: int = 10_000,
        alpha: Exact = "0.001",
        index: int = 0,
        y: int | None = None,
    ) -> Certificate:
        """Certify one input.

        With probability at least ``1 - alpha`` over the sampling, the smoothed classifier gives
        the certificate's label for every input within its L2 radius (if it does not abstain).
        ``n0`` samples choose the class, ``n`` fresh ones bound its probability from below by an
        exact Clopper-Pearson bound.

        Args:
            x: one input of the model's shape.
            n0: pilot samples.
            n: samples of the bound.
            alpha: error probability, in (0, 0.5].
            index: of the image: other images draw other noise.
            y: true class, if known; it is only recorded.

        Raises:
            CertifyError: a bad input, or an ``n`` that can never certify at ``alpha``.

        References:
            Cohen, Rosenfeld and Kolter, ICML 2019, section 3.2.2, CERTIFY.
        """
        started = time.perf_counter()
        exact, level = self.check_settings(n0=n0, n=n, alpha=alpha)
        self.check_label(y, index)
        source = self.prepare(x, index=index)
        pilot = self._count(source, n0, Purpose.PILOT)
        candidate = int(np.argmax(pilot))
        votes = self._count(source, n, Purpose.BOUND)
        probability = probability_bound(int(votes[candidate]), n, level)
        radius = radius_q16(probability, self.noise.radius_sigma)
        return Certificate(
            index=index,
            label=ABSTAIN if radius == ABSTAIN else candidate,
            candidate=candidate,
            radius_q16=max(radius, 0),
            span=self.file.grid.span,
            votes=tuple(int(count) for count in votes),
            n0=n0,
            n=n,
            alpha=text(exact),
            sampler_error=text_above(exact - level),
            method=CLOPPER_PEARSON,
            noise=self.noise.kind,
            sigma=text(self.sigma),
            seed=self.seed,
            streams=LAYOUT_VERSION,
            quantized_input=source.quantized,
            input_sha256=source.sha256,
            model_sha256=self.file.sha256,
            runtime=runtime(),
            kernels=self.kernels,
            samples=n0 + n,
            y=y,
            seconds=round(time.perf_counter() - started, 6),
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
        _, level = self.level(alpha, n)
        check_samples(n, level / 2)
        votes = self._count(self.prepare(x, index=index), n, Purpose.PREDICT)
        order = np.argsort(-votes, kind="stable")  # ties to the lowest index
        first, second = (int(votes[i]) for i in order[:2])
        return int(order[0]) if binomial_test(first, second, level) else ABSTAIN

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
