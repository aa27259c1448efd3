"""Certify many images: journal, all cores, any executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import Journal
from qrobust.certify.run.keys import KeySource, plan_hash
from qrobust.certify.run.parallel import ordered_map
from qrobust.certify.run.votes import DEFAULT_BATCH
from qrobust.certify.smoothings.counting import Counting

#: Clean inputs looked at to see whether a model ever changes its answer.
_LOOKED_AT = 256
_TOO_FEW = 16
#: Images handed out for each thread. A test near its radius takes the votes of fifty others, and
#: certificates are written in order: with few, the other threads would wait for it.
_WAITING = 8


@dataclass(frozen=True)
class Job:
    """All that determines the certificates of a data set; small enough to send to workers.

    Attributes:
        model: bytes of the ``.tflite`` file.
        settings: method, samples and alpha of every certificate.
        sigma: scale of the noise in LSB, exact text, or None to take the file's.
        noise: kind of noise, or None to take the file's.
        classes: how many the file tells apart, or None where its spec or the labels tell.
        keys: where the keys of random words come from.
        kernels: kernel family.
        threads: of one process; None for all cores.
        batch_size: inputs per ``invoke``.
        workers: child processes that share the work.
        trusted: run the file in this process; see `Certifier`.
    """

    model: bytes
    settings: Settings = field(default_factory=Settings)
    sigma: str | None = None
    noise: str | None = None
    classes: int | None = None
    keys: KeySource = field(default_factory=KeySource)
    kernels: str = "xnnpack"
    threads: int | None = None
    batch_size: int = DEFAULT_BATCH
    workers: int = 1
    trusted: bool = False

    def certifier(self) -> Certifier:
        """Return a certifier for this job; the caller closes it."""
        return Certifier(
            self.model,
            sigma=self.sigma,
            noise=self.noise,
            classes=self.classes,
            key=self.keys,
            threads=self.threads,
            batch_size=self.batch_size,
            kernels=self.kernels,
            workers=self.workers,
            trusted=self.trusted,
        )

    def certify(self, image: Image) -> Certificate:
        """Certify one image in this process; executors call this."""
        return _certifier(self).run(
            self.settings, image.x, index=image.index, y=image.y, plan=image.plan
        )


@dataclass(frozen=True)
class Image:
    """One image on its way to a worker."""

    x: NDArray[Any]
    index: int
    y: int | None
    plan: dict[str, Any] = field(hash=False, repr=False)
    key: Key | None = None
    drawn: int | None = None


@lru_cache(maxsize=1)
def _certifier(job: Job) -> Certifier:
    """The certifier of a worker process, made once."""
    return job.certifier()


def header(certifier: Certifier, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the journal header of a plan that this certifier carries out."""
    return {
        "plan": plan,
        "plan_sha256": plan_hash(plan),
        "key": certifier.keys.to_json(),
        "kernels": certifier.kernels,
    }


def plan_of(job: Job, data: Data, indices: Iterable[int] | None = None) -> dict[str, Any]:
    """Return what a job would certify; its hash is what is published before a nonce."""
    with job.certifier() as certifier:
        chosen = range(len(data)) if indices is None else indices
        return certifier.plan(job.settings, data.sha256, chosen)


def check_work(
    certifier: Certifier,
    settings: Settings,
    data: Data,
    indices: list[int],
    *,
    allow_constant: bool = False,
) -> None:
    """Raise `CertifyError` at bad settings or the first bad image, before hours are spent."""
    for index in indices:
        if not 0 <= index < len(data):
            raise CertifyError(f"image {index} of {len(data)}: there is no such image")
    certifier.method(settings)
    certifier.check_classes(data.y)
    for index in indices:
        certifier.prepare(data.x[index], index=index)
        certifier.check_label(data.label(index), index)
    if not allow_constant:
        _check_variety(certifier, data, indices[:_LOOKED_AT])


def _check_variety(certifier: Certifier, data: Data, indices: list[int]) -> None:
    """A model that never changes its answer gets certified everywhere, and means nothing."""
    if len(indices) < _TOO_FEW or (data.y is not None and len(set(data.y[indices])) == 1):
        return
    if isinstance(certifier.smoothing, Counting):  # a label takes all views: look at few
        indices = indices[:: len(indices) // _TOO_FEW]
    labels = {certifier.classify(data.x[index], index=index) for index in indices}
    if len(labels) == 1:
        raise CertifyError(
            f"the model answers class {labels.pop()} for all {len(indices)} inputs looked at, so "
            "its certificates would mean nothing: check the model and the scale of the data, or "
            "allow a constant model explicitly"
        )


def certify_dataset(
    job: Job,
    data: Data,
    *,
    out: str | os.PathLike[str],
    indices: Iterable[int] | None = None,
    executor: Executor | None = None,
    window: int | None = None,
    allow_constant: bool = False,
    after: Callable[[int], None] | None = None,
) -> Iterator[Certificate]:
    """Certify images, write each certificate to a journal, and yield it.

    The journal's header holds the plan, written before the first draw; when all of it is done a
    closing line says so. A journal that already holds some images is resumed: those are neither
    repeated nor yielded. Other images or settings are another plan and another journal.
    Certificates come in the order of ``indices`` whatever the executor.

    Args:
        job: model and settings.
        data: the images; an image's index in it also addresses its random streams.
        out: the journal.
        indices: which images; all by default.
        executor: runs ``job.certify``; the threads of this process by default. Any
            ``concurrent.futures`` one will do (processes, Dask's ``client.get_executor()``).
        window: images that are handed out and not yet in the journal, at most: an interruption
            loses no more. By default 8 for each thread of this process (one image may take as
            long as many others, who would have to wait for it), 2 for each with an executor.
        allow_constant: certify a model that gives one class for every input.
        after: told at the end how many copies this process's networks have seen, those of every
            member of a bundle counted.

    Raises:
        CertifyError: bad data, journal or settings, or a worker that died; what the journal holds
            is kept.
    """
    chosen = list(dict.fromkeys(range(len(data)) if indices is None else indices))
    settings = job.settings
    with job.certifier() as certifier:
        check_work(certifier, settings, data, chosen, allow_constant=allow_constant)
        plan, seen = certifier.plan(settings, data.sha256, chosen), certifier.counter.evaluations
        with Journal(out, header(certifier, plan)) as journal:
            images = (
                Image(data.x[i], i, data.label(i), plan) for i in chosen if i not in journal.done
            )
            if executor is None:
                results = run_here(certifier, settings, images, window=window)
            else:
                size = 2 * certifier.counter.threads if window is None else window
                results = ordered_map(executor, job.certify, images, window=size)
            try:
                for certificate in results:
                    journal.append(certificate.to_json())
                    yield certificate
                journal.finish()
                if after is not None:
                    after(certifier.counter.evaluations - seen)
            except BrokenExecutor:
                raise CertifyError(
                    f"a worker process died; the {len(journal.done)} certificates in the journal "
                    "are kept: run the same command again to go on"
                ) from None


def run_here(
    certifier: Certifier,
    settings: Settings,
    images: Iterable[Image],
    *,
    window: int | None = None,
) -> Iterator[Certificate]:
    """Certify images with this process's threads, several images at a time.

    A method that stops by itself leaves cores idle between its steps; other images use them. With
    a deadline they come one after another: no image takes the time of another.
    """

    def certify(image: Image) -> Certificate:
        return certifier.run(
            settings,
            image.x,
            index=image.index,
            y=image.y,
            plan=image.plan,
            key=image.key,
            drawn=image.drawn,
        )

    threads = 1 if settings.deadline_ms is not None else certifier.counter.threads
    if window is None:
        window = 2 if threads == 1 else _WAITING * threads
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from ordered_map(pool, certify, images, window=window)
        except BaseException:
            certifier.close()  # do not wait for images under way
            raise
