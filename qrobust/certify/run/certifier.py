"""Certify and predict: the smoothed version of an integer file, one input at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.exact_numbers import Exact, rational, whole
from qrobust.certify.arithmetic.noise_table import NoiseTable
from qrobust.certify.arithmetic.radius import ABSTAIN, binomial_test, charged_level, check_samples
from qrobust.certify.arithmetic.streams import LAYOUT_VERSION, Key, Purpose
from qrobust.certify.file.bundle_file import open_model
from qrobust.certify.file.model_file import Model, runtime
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.outcome import Method
from qrobust.certify.methods.settings import MOST_SAMPLES, Settings
from qrobust.certify.run.certificate import Certificate, describe_draws
from qrobust.certify.run.deadline import draws_in_time
from qrobust.certify.run.image_draws import ImageDraws, Input
from qrobust.certify.run.keys import KeySource, key_text
from qrobust.certify.run.plan import make_plan
from qrobust.certify.run.spec_in_force import (
    check_label,
    check_labels_fit,
    classes_known,
    keys_in_force,
    settings_in_force,
    spec_in_force,
)
from qrobust.certify.run.votes import DEFAULT_BATCH, VoteCounter
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.smoothing import GaussianSmoothing
from qrobust.certify.smoothings.splits import winner


class Certifier:
    """Certifies the smoothed version of an integer ``.tflite`` classifier.

    Args:
        model: path or bytes of the file, or of a bundle of them.
        sigma: scale of the noise in input LSB. Needed only where the file has no smoothing spec;
            where it has one, it must agree.
        noise: kind of noise, likewise.
        classes: how many the file tells apart, likewise; without a spec that says it, the labels
            of the data may tell (``y``), else it has to be given.
        key: where random words come from: ``"derived"`` (the default) from hashes of model and
            input, ``"fresh"`` anew for every query, or a `KeySource`. See
            :mod:`qrobust.certify.run.keys` for what each is worth.
        seed: of chosen keys, in [0, 2**64), for experiments.
        nonce: of witnessed keys; with ``source`` and ``round``, who published it and when.
        source: of the nonce, in words.
        round: of the nonce, in words.
        threads: interpreters at work; all cores by default.
        batch_size: inputs per ``invoke``; changes the speed only.
        kernels: LiteRT kernel family: ``"xnnpack"``, ``"builtin"`` or ``"reference"``.
        workers: child processes that share the work, each with ``threads`` interpreters.
        trusted: run it in this process, without limits; for known files of the integer contract.

    Raises:
        CertifyError: no integer classifier, no sigma, or one that contradicts the file's spec.
    """

    def __init__(
        self,
        model: Model,
        *,
        sigma: Exact | None = None,
        noise: str | None = None,
        classes: int | None = None,
        key: str | KeySource | None = None,
        seed: int | None = None,
        nonce: str | None = None,
        source: str | None = None,
        round: str | None = None,
        threads: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        kernels: str = "xnnpack",
        workers: int = 1,
        trusted: bool = False,
    ) -> None:
        self.file = open_model(model, trusted=trusted)
        self.spec = spec_in_force(self.file, sigma, noise)
        self.smoothing: GaussianSmoothing | Counting = self.spec.smoothing(self.file.shape)
        chosen = KeySource.choose(key=key, seed=seed, nonce=nonce, source=source, round=round)
        self.keys = keys_in_force(self.smoothing, chosen)
        self._classes_known = classes_known(self.file, self.spec, classes)
        self.kernels = kernels
        self.counter = VoteCounter(
            self.file,
            self.smoothing,
            threads=threads,
            batch_size=batch_size,
            kernels=kernels,
            processes=workers,
        )

    @property
    def noise(self) -> NoiseTable:
        """Table of the noise; `CertifyError` where views are counted."""
        return self.smoothing.noise

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of what is certified: the file's, but C channels for bands and blocks of 2 C."""
        return self.smoothing.inputs if isinstance(self.smoothing, Counting) else self.file.shape

    def copies(
        self,
        x: NDArray[Any],
        count: int,
        *,
        index: int = 0,
        key: Key | None = None,
        purpose: Purpose = Purpose.BOUND,
        start: int = 0,
    ) -> NDArray[np.int16]:
        """Return the very copies that votes are counted on, as grid integers.

        Args:
            x: one input.
            count: how many copies.
            index: of the image.
            key: of its random words (a certificate has it); this certifier's own by default.
            purpose: which of its streams.
            start: index of the first sample.

        Returns:
            int16[count, *shape].
        """
        grid = self.file.grid
        out = np.empty((count, self.file.coordinates), grid.dtype)
        source = self.prepare(x, index=index)
        key = self._key(source) if key is None else key
        self.smoothing.sampler().fill(source.tensor, out, key=key, purpose=purpose, start=start)
        return (out.astype(np.int16) - np.int16(grid.zero_point)).reshape(count, *self.file.shape)

    def prepare(self, x: NDArray[Any], *, index: int = 0) -> Input:
        """Return one input on the grid; raise `CertifyError` naming the image where it is bad.

        Args:
            x: one input of `inputs`: integers on the grid, or floats to be quantized.
            index: of the image, in [0, 2**64).
        """
        index = whole(index, "image index", 0, (1 << 64) - 1)
        x = np.asarray(x)
        tensor = self.file.grid.to_tensor(x, self.inputs, where=f"image {index}")
        return Input(tensor, x.dtype.kind == "f", index)

    def check_label(self, y: int | None, index: int) -> None:
        """Raise `CertifyError` unless ``y`` is one of the model's classes or None."""
        check_label(y, index, self.file.classes)

    def check_classes(self, labels: NDArray[np.int64] | None) -> None:
        """Raise `CertifyError` where neither spec, caller nor labels tell how many classes."""
        if not self._classes_known:
            check_labels_fit(self.file.classes, labels)

    def plan(self, settings: Settings, data_sha256: str, indices: Iterable[int]) -> dict[str, Any]:
        """Return what is going to be certified as a JSON object; see `make_plan`."""
        portable, file = not self.file.not_portable, self.file
        return make_plan(
            model_sha256=file.sha256,
            data_sha256=data_sha256,
            classes=file.classes,
            coordinates=file.coordinates,
            span=file.grid.span,
            description=dict(self.smoothing.description),
            settings=settings,
            kernels=None if portable else self.kernels,
            runtime=None if portable else runtime(),
            indices=indices,
        )

    def _key(self, source: Input) -> Key:
        """Key of a single query: its data is the input itself."""
        plan = self.plan(settings_in_force(self.smoothing), source.sha256, [source.index])
        return self.keys.key(plan, source.index)

    def votes(
        self,
        x: NDArray[Any],
        n: int,
        *,
        index: int = 0,
        key: Key | None = None,
        purpose: Purpose = Purpose.BOUND,
        start: int = 0,
    ) -> NDArray[np.int64]:
        """Return the votes of ``n`` randomized copies, int64[classes].

        Args:
            x: one input.
            n: how many samples, at least 1.
            index: of the image.
            key: of its random words; this certifier's own by default.
            purpose: which of its streams.
            start: index of the first sample.
        """
        n, start = whole(n, "n", 1, MOST_SAMPLES), whole(start, "start", 0, MOST_SAMPLES)
        source = self.prepare(x, index=index)
        key = self._key(source) if key is None else key
        return ImageDraws(self.counter, key, source).votes(purpose, start, n)

    def method(self, settings: Settings) -> Method:
        """Return the method of some settings; `CertifyError` where it could never certify."""
        return make_method(settings, self.smoothing, self.file.classes)

    def certify(
        self,
        x: NDArray[Any],
        *,
        n0: int | None = None,
        n: int | None = None,
        alpha: Exact | None = None,
        method: str | None = None,
        radius: Exact | None = None,
        gain: Exact | None = None,
        deadline_ms: int | None = None,
        index: int = 0,
        y: int | None = None,
    ) -> Certificate:
        """Certify one input.

        With probability at least ``1 - alpha`` over the sampling, the smoothed classifier gives
        the certificate's label for every input within its radius (if it does not abstain).
        ``n0`` samples choose the class, fresh ones bound its probability. Counted views make it
        certain; of those the file says all but ``radius``.

        Args:
            x: one input of `inputs`.
            n0: pilot samples; 100 by default.
            n: samples of the bound, or the most of them; 10,000 by default.
            alpha: error probability, in (0, 0.5]; .001 by default.
            method: one of `METHODS`; ``"clopper_pearson"`` by default.
            radius: of the sequential tests, in LSB; of views, where to stop.
            gain: share of the radius that an anytime certificate may leave on the table.
            deadline_ms: draw until then; ``"confidence_sequence"`` is then the default.
            index: of the image; a single query may leave it at 0.
            y: true class, if known; it is only recorded.

        Raises:
            CertifyError: a bad input, or an ``n`` that can never certify at ``alpha``.

        References:
            Cohen, Rosenfeld and Kolter, ICML 2019, section 3.2.2, CERTIFY.
        """
        settings = settings_in_force(
            self.smoothing,
            method=method,
            n0=n0,
            n=n,
            alpha=alpha,
            radius=radius,
            gain=gain,
            deadline_ms=deadline_ms,
        )
        self.check_classes(None if y is None else np.array([y]))
        return self.run(settings, x, index=index, y=y)

    def run(
        self,
        settings: Settings,
        x: NDArray[Any],
        *,
        index: int = 0,
        y: int | None = None,
        plan: dict[str, Any] | None = None,
        key: Key | None = None,
        drawn: int | None = None,
    ) -> Certificate:
        """Certify one input with ready-made settings; see :meth:`certify`.

        Args:
            settings: of the method.
            x: one input.
            index: of the image.
            y: true class, if known.
            plan: that the input belongs to; one of this input alone by default.
            key: of its random words, for audits; the plan's by default.
            drawn: samples to stop after, for audits of what a deadline stopped.
        """
        started = time.perf_counter()
        method = self.method(settings)
        self.check_label(y, index)
        source = self.prepare(x, index=index)
        plan = self.plan(settings, source.sha256, [index]) if plan is None else plan
        key = self.keys.key(plan, index) if key is None else key
        draws = ImageDraws(self.counter, key, source)
        outcome = method.run(draws_in_time(draws, settings, started=started, drawn=drawn))
        about = describe_draws(settings, self.smoothing, outcome)
        return Certificate(
            index=index,
            **about,
            span=self.file.grid.span,
            coordinates=self.file.coordinates,
            key=key_text(key),
            key_level=self.keys.level,
            streams=LAYOUT_VERSION,
            quantized_input=source.quantized,
            input_sha256=source.sha256,
            model_sha256=self.file.sha256,
            runtime=runtime(),
            kernels=self.kernels,
            portable=not self.file.not_portable,
            unit=self.spec.unit,
            y=y,
            seconds=int((time.perf_counter() - started) * 1e6) / 1e6,
        )

    def predict(
        self, x: NDArray[Any], *, n: int = 10_000, alpha: Exact = "0.001", index: int = 0
    ) -> int:
        """Return the smoothed classifier's class, or `ABSTAIN` where the vote is too close.

        It is wrong with probability at most ``alpha``; of counted views it is simply their winner.

        References:
            Cohen, Rosenfeld and Kolter, ICML 2019, section 3.2.1, PREDICT.
        """
        if isinstance(self.smoothing, Counting):
            return self.classify(x, index=index)
        n = whole(n, "n", 1, MOST_SAMPLES)
        level = charged_level(rational(alpha, "alpha"), n, self.smoothing.variation)
        check_samples(n, level / 2)
        self.check_classes(None)
        source = self.prepare(x, index=index)
        votes = ImageDraws(self.counter, self._key(source), source).votes(Purpose.PREDICT, 0, n)
        order = np.argsort(-votes, kind="stable")  # ties to the lowest index
        first, second = (int(votes[i]) for i in order[:2])
        return int(order[0]) if binomial_test(first, second, level) else ABSTAIN

    def classify(self, x: NDArray[Any], *, index: int = 0) -> int:
        """Return the label of the input without noise, of all views where they are counted."""
        if isinstance(self.smoothing, Counting):
            return winner(self.votes(x, self.smoothing.views, index=index))
        return self.counter.classify(self.prepare(x, index=index).tensor)

    def close(self) -> None:
        """End the threads."""
        self.counter.close()

    def __enter__(self) -> Certifier:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
