"""Run certificates again from their journal and compare them to the last integer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.batch import Image, Job, header, run_here
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import Line, chain, read_lines

#: What another run, another interpreter version or another machine may change.
_FREE = frozenset({"chain", "seconds", "runtime", "kernels"})


@dataclass(frozen=True)
class Finding:
    """The outcome for one line of a journal.

    Attributes:
        line: its number in the file.
        index: of the image; -1 where the line does not tell.
        reason: why it does not stand; empty where it was reproduced.
    """

    line: int
    index: int
    reason: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether the certificate stands."""
        return not self.reason


def audit(
    journal: str | os.PathLike[str],
    model: bytes,
    data: Data,
    *,
    every: int = 1,
    kernels: str | None = None,
    threads: int | None = None,
) -> Iterator[Finding]:
    """Re-run the certificates of a journal; yield one `Finding` a line.

    Votes, label, radius and every other field but times and the interpreter's name must come out
    the same. Edited lines are found twice: by the chain, and because they do not reproduce.

    Args:
        journal: what `certify_dataset` wrote.
        model: bytes of the ``.tflite`` file.
        data: the data it was run on.
        every: re-run one line in this many, from the first; the chain of all lines is checked.
        kernels: kernel family to run with; the journal's own by default.
        threads: interpreters at work.

    Raises:
        CertifyError: no journal, or one of another model, data or program version.
    """
    name = os.fspath(journal)
    if every < 1:
        raise CertifyError(f"every must be at least 1, received {every}")
    lines = read_lines(journal, chained=False)
    head = next(lines, None)
    if head is None:
        raise CertifyError(f"{name} holds no finished line; nothing to audit")
    found = head.value
    job = _job(found, model, kernels, threads, name)
    with job.certifier() as certifier:
        expected = header(certifier, job.settings, data)
        for key, what in (
            ("model_sha256", "model"),
            ("data_sha256", "data"),
            ("streams", "program"),
        ):
            if found.get(key) != expected[key]:
                raise CertifyError(
                    f"{name} was made with another {what} ({key} differs); audit it with its "
                    f"own {what}"
                )
        if found.get("chain") != chain("", found):
            yield Finding(1, -1, "the header was edited or damaged (its chain does not match)")
        checks = _checks(lines, str(found.get("chain")), data, every)
        # Two readers of one list of lines: one feeds the threads, one compares what comes back.
        pending: list[_Check] = []

        def images() -> Iterator[Image]:
            for check in checks:
                pending.append(check)
                if check.image is not None:
                    yield check.image

        results = run_here(certifier, job.settings, images(), window=2 * certifier.counter.threads)
        for again in results:
            while pending[0].image is None:
                yield pending.pop(0).finding()
            yield pending.pop(0).finding(again)
        for check in pending:
            yield check.finding()


@dataclass(frozen=True)
class _Check:
    """One line to check, with the image to run again, if it is to be."""

    line: Line
    reasons: tuple[str, ...]
    image: Image | None

    def finding(self, again: Certificate | None = None) -> Finding:
        value = self.line.value
        reasons = list(self.reasons)
        if again is not None:
            reasons += _differences(value, again.to_json())
        index = value.get("index")
        return Finding(self.line.number, index if type(index) is int else -1, "; ".join(reasons))


def _checks(lines: Iterator[Line], previous: str, data: Data, every: int) -> Iterator[_Check]:
    for line in lines:
        value = line.value
        broken = value.get("chain") != chain(previous, value)
        previous = str(value.get("chain"))
        reasons = ["its chain does not follow from the line before"] if broken else []
        image = None
        if (line.number - 2) % every == 0:
            try:
                index = Certificate.from_json(value).index
                if 0 <= index < len(data):
                    image = Image(data.x[index], index, data.label(index))
                else:
                    reasons.append(f"the data has no image {index}")
            except CertifyError as error:
                reasons.append(str(error))
        yield _Check(line, tuple(reasons), image)


def _differences(claimed: dict[str, Any], again: dict[str, Any]) -> list[str]:
    """Fields in which a re-run differs from the line."""
    return [
        f"{name} is {claimed.get(name)}, a re-run gives {again.get(name)}"
        for name in sorted((again.keys() | claimed.keys()) - _FREE)
        if claimed.get(name) != again.get(name)
    ]


def _job(
    found: dict[str, Any], model: bytes, kernels: str | None, threads: int | None, name: str
) -> Job:
    """The job that a header describes."""
    try:
        settings = Settings(**{item.name: found[item.name] for item in fields(Settings)})
        sigma, seed = found["sigma"], found["seed"]
        if not isinstance(sigma, str) or type(seed) is not int:
            raise TypeError(f"sigma={sigma!r}, seed={seed!r}")
        return Job(
            model=model,
            sigma=sigma,
            noise=str(found["noise"]),
            seed=seed,
            kernels=kernels or str(found["kernels"]),
            threads=threads,
            **settings.to_json(),
        )
    except CertifyError as error:
        raise CertifyError(f"the header of {name} is damaged: {error}") from None
    except (KeyError, TypeError) as error:
        raise CertifyError(f"the header of {name} is damaged ({error!r})") from None
