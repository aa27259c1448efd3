"""Certify any callable with the same noise, bounds and journal: baselines beside integer files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, whole
from qrobust.certify.arithmetic.noise_table import ROUNDED_GAUSSIAN
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.file.model_file import MOST_CLASSES, MOST_COORDINATES, ModelFile
from qrobust.certify.file.smoothing_spec import SmoothingSpec
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.batch import Job, certify_dataset
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.data import Data
from qrobust.certify.run.keys import KeySource
from qrobust.certify.run.plan import CALLABLE
from qrobust.certify.run.spec_in_force import keys_in_force
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

#: int16[n, *shape] grid integers -> real or integer scores [n, classes].
Classifier: TypeAlias = Callable[[NDArray[np.int16]], Any]

DEFAULT_FLOAT_BATCH = 256
_NOT_A_FILE = "it is a callable and no file"


class FloatCertifier(Certifier):
    """Certifies the smoothed version of any classifier that Python can call.

    The noise is the very same: with one seed, sigma and image index, the copies that the classifier
    sees are, integer by integer, those that `Certifier` shows to a ``.tflite`` of that input grid.
    So are the methods, the radii and the journal. What differs is what has to be trusted: the
    journal says ``"kernels": "callable"``, and its votes are the classifier's own word. Nobody can
    tell from a journal what was called: that ``identity`` names it, that it is a function of one
    input (no row changes another, nothing is remembered), and that its floating-point scores come
    out again elsewhere is on trust. `audit` takes the callable, in Python.

    Args:
        classifier: from int16[n, *shape] grid integers to scores [n, classes]; the largest is the
            vote, of equal ones the first. Always called with ``batch_size`` rows, so that a row's
            scores do not depend on how many copies are left.
        shape: of one input.
        classes: how many scores.
        sigma: of the noise, in input LSB.
        identity: what stands for the classifier in plan and keys: bytes of its weights and
            architecture, or of its file.
        runtime: who computes it, in words ("Keras 3.15 on TensorFlow, float32").
        low: least integer of the input grid, which is 256 integers wide: 0 for pixels.
        step: real value of one LSB, where inputs are given as real numbers.
        unit: what one LSB is, in words.
        key: see `Certifier`.
        seed: see `Certifier`.
        nonce: see `Certifier`.
        source: see `Certifier`.
        round: see `Certifier`.
        batch_size: inputs of one call.

    Raises:
        CertifyError: a shape, number of classes, sigma, grid or identity that cannot be.

    References:
        Cohen, Rosenfeld and Kolter, ICML 2019: the classifiers that this is for.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        shape: tuple[int, ...],
        classes: int,
        sigma: Exact,
        identity: bytes,
        runtime: str,
        low: int = 0,
        step: float = 1.0,
        unit: str | None = None,
        key: str | KeySource | None = None,
        seed: int | None = None,
        nonce: str | None = None,
        source: str | None = None,
        round: str | None = None,
        batch_size: int = DEFAULT_FLOAT_BATCH,
    ) -> None:
        if not shape or min(shape) < 1 or int(np.prod(shape)) > MOST_COORDINATES:
            raise CertifyError(f"an input has 1 to {MOST_COORDINATES} numbers, received {shape}")
        whole(classes, "classes", 2, MOST_CLASSES)
        if not identity or not runtime:
            raise CertifyError(
                "say what is certified: identity (bytes of its weights, say) and runtime, in words"
            )
        self.file = ModelFile(
            content=b"",
            sha256=hashlib.sha256(identity).hexdigest(),
            grid=InputGrid("int8", step, -128 - whole(low, "low", -255, 0)),
            shape=tuple(int(size) for size in shape),
            classes=classes,
            one_row=False,
            not_portable=_NOT_A_FILE,
        )
        self.spec = SmoothingSpec(
            rational(sigma, "sigma"), self.file.grid, ROUNDED_GAUSSIAN, unit=unit
        )
        smoothing = self.spec.smoothing(self.file.shape)
        if not isinstance(smoothing, GaussianSmoothing):
            raise CertifyError("a callable is certified under noise; views are counted of files")
        self.smoothing = smoothing
        chosen = KeySource.choose(key=key, seed=seed, nonce=nonce, source=source, round=round)
        self.keys = keys_in_force(smoothing, chosen)
        self._classes_known = True
        self.kernels = CALLABLE
        self.runtime = runtime
        self.counter: Any = _Calls(
            classifier, self.file, smoothing, whole(batch_size, "batch_size", 1)
        )

    def plan(self, settings: Settings, data_sha256: str, indices: Iterable[int]) -> dict[str, Any]:
        """Return what is going to be certified as a JSON object; see `make_plan`."""
        return super().plan(settings, data_sha256, indices) | {"runtime": self.runtime}

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
        """Certify one input with ready-made settings; see `Certifier.run`."""
        made = super().run(settings, x, index=index, y=y, plan=plan, key=key, drawn=drawn)
        return replace(made, runtime=self.runtime)

    def certify_dataset(
        self,
        data: Data,
        *,
        out: str | os.PathLike[str],
        settings: Settings | None = None,
        indices: Iterable[int] | None = None,
        allow_constant: bool = False,
    ) -> Iterator[Certificate]:
        """Certify images, write each certificate to a journal, and yield it.

        Args:
            data: the images.
            out: the journal; one that holds some images of the same plan is resumed.
            settings: of the method; the defaults where left out.
            indices: which images; all by default.
            allow_constant: certify a classifier that gives one class for every input.

        Raises:
            CertifyError: see :func:`qrobust.certify.certify_dataset`.
        """
        job = _FloatJob(b"", settings or Settings(), made=self)
        return certify_dataset(job, data, out=out, indices=indices, allow_constant=allow_constant)


@dataclass(frozen=True)
class _FloatJob(Job):
    """A job of this process alone: a callable is not sent to workers.

    Attributes:
        made: the certifier.
    """

    made: FloatCertifier | None = None

    def certifier(self) -> Certifier:
        """Return the certifier."""
        if self.made is None:
            raise CertifyError("a job of a callable needs its FloatCertifier")
        return self.made


class _Calls:
    """Counts the votes of a callable; see `VoteCounter`, whose place it takes."""

    threads = 1

    def __init__(
        self, classifier: Classifier, file: ModelFile, smoothing: GaussianSmoothing, batch: int
    ) -> None:
        self._classifier, self.file, self.batch_size = classifier, file, batch
        self._sampler, self._lock = smoothing.sampler(), Lock()
        self._rows = np.zeros((batch, file.coordinates), file.grid.dtype)
        self.evaluations = 0

    def count(
        self, tensor: NDArray[np.int16], *, key: Key, purpose: int, start: int = 0, count: int
    ) -> NDArray[np.int64]:
        """Return the votes of samples ``start`` to ``start + count - 1``, int64[classes]."""
        votes = np.zeros(self.file.classes, np.int64)
        with self._lock:
            for first in range(start, start + count, self.batch_size):
                size = min(self.batch_size, start + count - first)
                rows = self._rows[:size]
                self._sampler.fill(tensor, rows, key=key, purpose=purpose, start=first)
                labels = self._labels()[:size]
                self.evaluations += size
                votes += np.bincount(labels, minlength=self.file.classes)
        return votes

    def classify(self, tensor: NDArray[np.int16]) -> int:
        """Return the label of the input without noise."""
        with self._lock:
            self._rows[:] = tensor
            return int(self._labels()[0])

    def _labels(self) -> NDArray[np.intp]:
        zero = np.int16(self.file.grid.zero_point)
        x = (self._rows.astype(np.int16) - zero).reshape(-1, *self.file.shape)
        scores = np.asarray(self._classifier(x))
        expected = (self.batch_size, self.file.classes)
        if scores.shape != expected or scores.dtype.kind not in "iuf":
            raise CertifyError(
                f"the classifier gave {scores.dtype} of shape {scores.shape} for {expected[0]} "
                f"inputs; numbers of shape {expected} are needed"
            )
        if scores.dtype.kind == "f" and not np.isfinite(scores).all():
            raise CertifyError("the classifier gave scores that are no finite numbers")
        labels: NDArray[np.intp] = scores.argmax(axis=1)  # ties: the lowest index
        return labels

    def close(self) -> None:
        """Nothing to end: what is called belongs to the caller."""
