"""An audit from end to end: every line without the model, some or all of them with it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.auditing.fresh import Fresh, estimate_again
from qrobust.certify.auditing.independent import INDEPENDENT
from qrobust.certify.auditing.offline import Checked, Finding, check_offline
from qrobust.certify.auditing.rerun import (
    audit_job,
    check_inputs,
    check_subject,
    recount,
    rerun,
    runtime_of_claim,
)
from qrobust.certify.methods.settings import COUNTING
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.data import Data
from qrobust.certify.run.float_certifier import FloatCertifier

#: Wraps what takes long, for a progress bar: items, total -> items.
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What an auditor asks for.

    Attributes:
        every: re-run one line in so many, drawn at random.
        sample: re-run so many lines, drawn at random; instead of ``every``.
        draw_seed: of the draw; the operating system's entropy by default, which no journal knew.
        fresh_seed: estimate certified lines again with this key, in [0, 2**64).
        fresh_n: samples of that estimate; by default the plan's n, or the most that any line drew
            until a deadline.
        gamma: probability of refuting any true line.
        beta: of statements about all lines together.
        independent: a key of `INDEPENDENT`: draw votes again with the checker's own sampler.
        kernels: kernel family; the journal's own by default.
        threads: interpreters at work.
    """

    every: int = 1
    sample: int | None = None
    draw_seed: int | None = None
    fresh_seed: int | None = None
    fresh_n: int | None = None
    gamma: Fraction = Fraction(1, 100)
    beta: Fraction = Fraction(1, 100)
    independent: str | None = None
    kernels: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.sample is not None and self.every != 1:
            raise CertifyError("give every or sample, not both: each says how many lines")
        if self.fresh_n is not None and self.fresh_seed is None:
            raise CertifyError("fresh_n goes with a fresh_seed")
        if self.draw_seed is not None and self.sample is None and self.every == 1:
            raise CertifyError("draw_seed goes with sample or every; all lines are run otherwise")
        for name in ("every", "sample", "fresh_n"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CertifyError(f"{name} must be at least 1, received {value}")
        for name in ("draw_seed", "fresh_seed"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1 << 64:
                raise CertifyError(f"{name} must lie in [0, 2**64), received {value}")
        for name in ("gamma", "beta"):
            if not 0 < getattr(self, name) <= Fraction(1, 2):
                raise CertifyError(f"{name} must lie in (0, 0.5], received {getattr(self, name)}")
        if self.independent not in (None, *INDEPENDENT):
            raise CertifyError(
                f"unknown implementation {self.independent!r}; known: {', '.join(INDEPENDENT)}"
            )


@dataclass
class Audited:
    """The outcome of an audit.

    Attributes:
        checked: every line, with what speaks against it.
        settings: what was asked for.
        rerun: line numbers that were run again.
        draw_seed: of the draw, where not all lines were.
        fresh: estimates with the auditor's own key.
    """

    checked: Checked
    settings: AuditSettings
    rerun: list[int] = field(default_factory=list)
    draw_seed: int | None = None
    fresh: list[Fresh] = field(default_factory=list)


def audit(
    journal: str | os.PathLike[str],
    model: bytes | FloatCertifier,
    data: Data,
    *,
    every: int = 1,
    kernels: str | None = None,
    threads: int | None = None,
) -> Iterator[Finding]:
    """Audit a journal; yield one `Finding` a line (and one for a damaged header or closing line).

    Every line is checked without the model (chain, plan, key, votes -> radius); those drawn are
    run again and have to come out the same to the last integer.

    Args:
        journal: what `certify_dataset` wrote.
        model: bytes of the ``.tflite`` file; of a callable's journal its `FloatCertifier`, made as
            it was.
        data: the data it was run on.
        every: re-run one line in this many, drawn at random.
        kernels: kernel family to run with; the journal's own by default.
        threads: interpreters at work.

    Raises:
        CertifyError: no journal, an empty or torn one, or one of another model or data.
    """
    settings = AuditSettings(every=every, kernels=kernels, threads=threads)
    audited = run_audit(check_offline(journal), model, data, settings)
    yield from sorted(audited.checked.findings.values(), key=lambda finding: finding.line)


def run_audit(
    checked: Checked,
    model: bytes | FloatCertifier,
    data: Data,
    settings: AuditSettings,
    *,
    progress: Progress = lambda items, total: items,
) -> Audited:
    """Run what needs the model; findings are added to ``checked``."""
    audited = Audited(checked, settings)
    audited.rerun, audited.draw_seed = draw_lines(sorted(checked.certificates), settings)
    with _certifier(checked, model, settings) as certifier:
        check_subject(checked, certifier, data)
        elsewhere = runtime_of_claim(checked, certifier)
        if elsewhere:
            raise CertifyError(f"{checked.name}: votes depend on the runtime: {elsewhere}")
        check_inputs(checked, certifier, data)
        again = rerun(checked, certifier, data, audited.rerun)
        for finding in progress(again, len(audited.rerun)):
            checked.add(finding.line, finding.reason)
        if settings.independent:
            sound = [n for n in audited.rerun if checked.findings[n].reproduced]
            for number in progress(sound, len(sound)):
                finding = recount(checked, certifier, data, number, kind=settings.independent)
                checked.add(number, finding.reason)
        if settings.fresh_seed is not None and checked.head.settings.method not in COUNTING:
            lines = [n for n, c in sorted(checked.certificates.items()) if not c.abstained]
            level = settings.gamma / max(len(lines), 1)
            for number in progress(lines, len(lines)):
                audited.fresh.append(
                    estimate_again(
                        checked,
                        certifier,
                        data,
                        number,
                        seed=settings.fresh_seed,
                        n=settings.fresh_n or fresh_samples(checked),
                        level=level,
                    )
                )
    return audited


def fresh_samples(checked: Checked) -> int:
    """Return the samples of an estimate where nobody says how many."""
    settings = checked.head.settings
    if settings.deadline_ms is None:
        return settings.n
    drawn = (sum(certificate.votes) for certificate in checked.certificates.values())
    return min(max(1, *drawn), settings.n)  # a line may say any number


def _certifier(
    checked: Checked, model: bytes | FloatCertifier, settings: AuditSettings
) -> Certifier:
    if isinstance(model, FloatCertifier):
        return model
    return audit_job(checked, model, settings.kernels, settings.threads).certifier()


def draw_lines(lines: list[int], settings: AuditSettings) -> tuple[list[int], int | None]:
    """Return the lines to run again, and the seed of the draw where it left some out.

    The draw comes after the journal is fixed: nobody who forges lines knows which are drawn.
    """
    count = -(-len(lines) // settings.every) if settings.sample is None else settings.sample
    if count >= len(lines):
        return lines, None
    seed = secrets.randbits(64) if settings.draw_seed is None else settings.draw_seed
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    return sorted(int(n) for n in rng.choice(lines, count, replace=False)), seed
