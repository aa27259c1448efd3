"""Run certificates again from their keys and compare to the last integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.auditing.independent import Independent
from qrobust.certify.auditing.offline import Checked, Finding, claim_of
from qrobust.certify.core import claim, noise
from qrobust.certify.file.model_file import runtime
from qrobust.certify.methods.settings import COUNTING
from qrobust.certify.run.batch import Image, Job, run_here
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.data import Data
from qrobust.certify.run.float_certifier import FloatCertifier
from qrobust.certify.run.keys import read_key
from qrobust.certify.run.plan import CALLABLE

#: Another run changes these, and nothing else, of a file that every kernel computes alike.
_FREE = frozenset({"seconds", "runtime", "kernels"})


def audit_job(checked: Checked, model: bytes, kernels: str | None, threads: int | None) -> Job:
    """Return the job that a journal describes.

    Raises:
        CertifyError: kernels other than the journal's, where they are part of its claim.
    """
    head = checked.head
    if head.plan.get("kernels") == CALLABLE:
        raise CertifyError(
            f"{checked.name} is about a callable ({head.plan['runtime']}), which no file holds: "
            "check it --offline, or audit it in Python with its FloatCertifier"
        )
    if head.plan.get("portable") is False and kernels not in (None, head.plan["kernels"]):
        raise CertifyError(
            f"{checked.name} is about {head.plan['kernels']} kernels, on which its votes depend; "
            f"{kernels} ones tell nothing about it"
        )
    return Job(
        model=model,
        settings=head.settings,
        sigma=head.plan["sigma"],
        noise=head.plan["noise"],
        classes=head.plan.get("classes"),
        keys=head.keys,
        kernels=kernels or head.kernels,
        threads=threads,
    )


def check_subject(checked: Checked, certifier: Certifier, data: Data) -> None:
    """Raise `CertifyError` unless the journal is about this model and this data."""
    head = checked.head
    for key, what, here in (
        ("model_sha256", "model", certifier.file.sha256),
        ("data_sha256", "data", data.sha256),
    ):
        if head.plan.get(key) != here:
            raise CertifyError(
                f"{checked.name} was made with another {what} ({key} differs); audit it with its "
                f"own {what}"
            )
    if head.indices is None:
        return
    if head.indices[-1].stop > len(data):
        raise CertifyError(f"{checked.name} plans images that the data do not have")
    expected = certifier.plan(head.settings, data.sha256, [0])
    for name in sorted(set(expected) - {"indices", "runtime"}):
        if expected[name] != head.plan[name]:
            raise CertifyError(
                f"{checked.name} says {name}={head.plan[name]!r} of its model, which is "
                f"{expected[name]!r}"
            )


def check_inputs(checked: Checked, certifier: Certifier, data: Data) -> None:
    """Hold every line's input and class against the data; what differs is added to its finding."""
    for number, claimed in checked.certificates.items():
        if not 0 <= claimed.index < len(data):
            checked.add(number, f"the data have no image {claimed.index}")
            continue
        source = certifier.prepare(data.x[claimed.index], index=claimed.index)
        if claimed.input_sha256 != source.sha256:
            checked.add(number, f"input_sha256 is {claimed.input_sha256}, not the image's")
        if claimed.y != data.label(claimed.index):
            checked.add(number, f"y is {claimed.y}, the data say {data.label(claimed.index)}")


def rerun(
    checked: Checked, certifier: Certifier, data: Data, lines: Iterable[int]
) -> Iterator[Finding]:
    """Run some lines again; yield one `Finding` each, as they come.

    Votes, label, radius and every other field but times must come out the same; runtime and
    kernels as well, where votes depend on them. What a deadline ended is run until as many samples
    are drawn: with their number the votes, and the radius that they show, are fixed.

    Args:
        checked: the journal.
        certifier: of `audit_job`.
        data: that it was run on.
        lines: numbers of the lines.
    """
    pending: list[tuple[int, Certificate]] = []

    def images() -> Iterator[Image]:
        for number in lines:
            claimed = checked.certificates[number]
            pending.append((number, claimed))
            yield Image(
                data.x[claimed.index],
                claimed.index,
                data.label(claimed.index),
                checked.head.plan,
                read_key(claimed.key),
                claimed.n,
            )

    for again in run_here(certifier, checked.head.settings, images()):
        number, claimed = pending.pop(0)
        yield Finding(number, claimed.index, "; ".join(differences(claimed, again)))


def differences(claimed: Certificate, again: Certificate) -> list[str]:
    """Return the fields in which a re-run differs from a line."""
    old, new = claimed.to_json(), again.to_json()
    free = _FREE
    if claimed.portable is None:  # version 1 did not keep these
        free = free | {"pilot_votes", "portable", "streams"}
    elif not claimed.portable:
        free = free - {"runtime", "kernels"}
    return [
        f"{name} is {old[name]}, a re-run gives {new[name]}"
        for name in sorted(set(new) - free)
        if old[name] != new[name]
    ]


def recount(
    checked: Checked, certifier: Certifier, data: Data, number: int, *, kind: str
) -> Finding:
    """Draw a line's votes again with the checker's own sampler and another implementation.

    Args:
        checked: the journal.
        certifier: for the input's grid.
        data: that it was run on.
        number: of the line.
        kind: a key of `INDEPENDENT`.

    Raises:
        CertifyError: views are counted, for which the checker has no sampler.
    """
    if checked.head.plan.get("kernels") == CALLABLE:
        raise CertifyError(
            f"{checked.name} is about a callable, of which there is no other implementation; leave "
            "--independent out"
        )
    if checked.head.settings.method in COUNTING:
        raise CertifyError(
            f"{checked.name} counts {checked.head.settings.method}: nothing is drawn, so nothing "
            "can be drawn again; leave --independent out, all views are run again anyway"
        )
    certificate = checked.certificates[number]
    file = certifier.file
    source = certifier.prepare(data.x[certificate.index], index=certificate.index)
    implementations = Independent(file, kind)
    made = claim_of(checked.head, certificate)
    reasons = []
    for purpose, said in ((noise.PILOT, certificate.pilot_votes), (noise.BOUND, certificate.votes)):
        if said is None:
            continue
        key = read_key(certificate.key)
        votes = claim.count_votes(
            implementations.of_stream(key, purpose),
            [int(value) for value in source.tensor],
            made,
            sum(said),
            key,
            purpose,
            (file.grid.tensor_low, file.grid.tensor_high),
        )
        if tuple(votes) != said:
            reasons.append(f"votes are {list(said)}, drawn again independently {votes}")
    return Finding(number, certificate.index, "; ".join(reasons))


def runtime_of_claim(checked: Checked, certifier: Certifier) -> str | None:
    """Why this machine cannot reproduce a journal whose votes depend on the runtime."""
    said, here = checked.head.plan.get("runtime"), runtime()
    if isinstance(certifier, FloatCertifier):
        here = certifier.runtime
    return f"made with {said}, here is {here}" if said not in (None, here) else None
