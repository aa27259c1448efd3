"""Run certificates again from their journal and compare them to the last integer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qrobust.certify.batch import Job
from qrobust.certify.certificate import Certificate
from qrobust.certify.data import Data
from qrobust.certify.errors import CertifyError
from qrobust.certify.journal import chain, read_lines

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
    if every < 1:
        raise CertifyError(f"every must be at least 1, received {every}")
    lines = read_lines(journal, chained=False)
    head = next(lines, None)
    if head is None:
        raise CertifyError(f"{os.fspath(journal)} holds no finished line; nothing to audit")
    header = head.value
    job = _job(header, model, kernels, threads, os.fspath(journal))
    expected = job.header(data)
    for name, what in (("model_sha256", "model"), ("data_sha256", "data"), ("streams", "program")):
        if header.get(name) != expected[name]:
            raise CertifyError(
                f"{os.fspath(journal)} was made with another {what} ({name} differs); audit it "
                f"with its own {what}"
            )
    if header.get("chain") != chain("", header):
        yield Finding(1, -1, "the header was edited or damaged (its chain does not match)")
    previous = str(header.get("chain"))
    for line in lines:
        value = line.value
        broken = value.get("chain") != chain(previous, value)
        previous = str(value.get("chain"))
        reasons = ["its chain does not follow from the line before"] if broken else []
        if (line.number - 2) % every == 0:
            reasons += _differences(job, data, value)
        index = value.get("index")
        yield Finding(line.number, index if type(index) is int else -1, "; ".join(reasons))


def _job(
    header: dict[str, Any], model: bytes, kernels: str | None, threads: int | None, name: str
) -> Job:
    try:
        return Job(
            model=model,
            sigma=str(header["sigma"]),
            noise=str(header["noise"]),
            seed=int(header["seed"]),
            n0=int(header["n0"]),
            n=int(header["n"]),
            alpha=str(header["alpha"]),
            kernels=kernels or str(header["kernels"]),
            threads=threads,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CertifyError(f"the header of {name} is damaged ({error!r})") from None


def _differences(job: Job, data: Data, value: dict[str, Any]) -> list[str]:
    """Names of the fields in which a re-run differs, or why it cannot be re-run."""
    try:
        claimed = Certificate.from_json(value)
    except CertifyError as error:
        return [str(error)]
    if not 0 <= claimed.index < len(data):
        return [f"the data has no image {claimed.index}"]
    index = claimed.index
    again = job.certify(data.x[index], index, data.label(index)).to_json()
    return [
        f"{name} is {value.get(name)}, a re-run gives {again.get(name)}"
        for name in sorted((again.keys() | value.keys()) - _FREE)
        if value.get(name) != again.get(name)
    ]
