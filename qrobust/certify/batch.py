"""Certify many images: journal, progress, and any executor."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from qrobust.certify.certificate import CLOPPER_PEARSON, Certificate
from qrobust.certify.certifier import Certifier
from qrobust.certify.data import Data
from qrobust.certify.errors import CertifyError
from qrobust.certify.journal import Journal
from qrobust.certify.rational import rational, text
from qrobust.certify.streams import LAYOUT_VERSION
from qrobust.certify.votes import DEFAULT_BATCH


@dataclass(frozen=True)
class Job:
    """All that determines the certificates of a data set; small enough to send to workers.

    Attributes:
        model: bytes of the ``.tflite`` file.
        sigma: scale of the noise in LSB, exact text, or None to take the file's.
        noise: kind of noise, or None to take the file's.
        seed: of the random streams.
        n0: pilot samples.
        n: samples of the bound.
        alpha: error probability, exact text.
        kernels: kernel family.
        threads: of one process; None for all cores.
        batch_size: inputs per ``invoke``.
    """

    model: bytes
    sigma: str | None = None
    noise: str | None = None
    seed: int = 0
    n0: int = 100
    n: int = 10_000
    alpha: str = "0.001"
    kernels: str = "xnnpack"
    threads: int | None = None
    batch_size: int = DEFAULT_BATCH

    def certifier(self) -> Certifier:
        """Return the certifier of this job, made once per process."""
        return _certifier(self)

    def certify(self, x: NDArray[Any], index: int, y: int | None) -> Certificate:
        """Certify one image in this process; executors call this."""
        return self.certifier().certify(x, n0=self.n0, n=self.n, alpha=self.alpha, index=index, y=y)

    def header(self, data: Data) -> dict[str, Any]:
        """Return the journal header of this job on some data."""
        certifier = self.certifier()
        return {
            "model_sha256": certifier.file.sha256,
            "data_sha256": data.sha256,
            "method": CLOPPER_PEARSON,
            "noise": certifier.noise.kind,
            "sigma": text(certifier.sigma),
            "streams": LAYOUT_VERSION,
            "seed": self.seed,
            "n0": self.n0,
            "n": self.n,
            "alpha": text(rational(self.alpha, "alpha")),
            "kernels": self.kernels,
        }


@lru_cache(maxsize=1)
def _certifier(job: Job) -> Certifier:
    return Certifier(
        job.model,
        sigma=job.sigma,
        noise=job.noise,
        seed=job.seed,
        threads=job.threads,
        batch_size=job.batch_size,
        kernels=job.kernels,
    )


def check_work(job: Job, data: Data, indices: Iterable[int]) -> None:
    """Raise `CertifyError` at bad settings or the first bad image, before hours are spent."""
    certifier = job.certifier()
    certifier.check_settings(n0=job.n0, n=job.n, alpha=job.alpha)
    for index in indices:
        certifier.prepare(data.x[index], index=index)
        certifier.check_label(data.label(index), index)


def certify_dataset(
    job: Job,
    data: Data,
    *,
    out: str | os.PathLike[str],
    indices: Iterable[int] | None = None,
    executor: Executor | None = None,
    window: int = 8,
) -> Iterator[Certificate]:
    """Certify images, write each certificate to a journal, and yield it.

    A journal that already holds some of them is resumed: those are neither repeated nor yielded.
    Certificates come in the order of ``indices`` whatever the executor.

    Args:
        job: model and settings.
        data: the images; an image's index in it also addresses its random streams.
        out: the journal.
        indices: which images; all by default.
        executor: runs ``job.certify``; this process by default. Any ``concurrent.futures`` one
            will do (processes, Dask's ``client.get_executor()``).
        window: images that an executor holds at a time.

    Raises:
        CertifyError: bad data, journal or settings, or a worker that died; what the journal holds
            is kept.
    """
    chosen = list(range(len(data)) if indices is None else indices)
    for index in chosen:
        if not 0 <= index < len(data):
            raise CertifyError(f"image {index} of {len(data)}")
    check_work(job, data, chosen)
    with Journal(out, job.header(data)) as journal:
        todo = [index for index in chosen if index not in journal.done]
        results = (
            (job.certify(data.x[i], i, data.label(i)) for i in todo)
            if executor is None
            else _spread(job, data, todo, executor, window)
        )
        for certificate in results:
            journal.append(certificate.to_json())
            yield certificate


def _spread(
    job: Job, data: Data, todo: list[int], executor: Executor, window: int
) -> Iterator[Certificate]:
    """Keep ``window`` images in the executor's hands; yield results in order."""
    waiting: deque[tuple[int, Future[Certificate]]] = deque()
    rest = iter(todo)
    try:
        while True:
            for index in rest:
                future = executor.submit(job.certify, data.x[index], index, data.label(index))
                waiting.append((index, future))
                if len(waiting) >= window:
                    break
            if not waiting:
                return
            index, future = waiting.popleft()
            yield future.result()
    except BrokenExecutor:
        raise CertifyError(
            f"a worker process died at or before image {index}; the certificates before it are "
            "kept: run the same command again to go on"
        ) from None
    finally:
        for _, future in waiting:
            future.cancel()
