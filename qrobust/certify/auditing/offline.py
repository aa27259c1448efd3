"""Everything about a journal that needs no model: chain, plan, keys, and votes -> radius.

Radii are decided by :mod:`qrobust.certify.core.claim`, which shares nothing with what made them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import charged_level, probability_bound, quantile_q16
from qrobust.certify.auditing.head import Head, read_head
from qrobust.certify.core.claim import Claim, Refused, key_of, objection, read_claim
from qrobust.certify.methods.anytime import Anytime
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.outcome import CERTIFIED
from qrobust.certify.methods.sequential import early_pilot
from qrobust.certify.methods.settings import (
    ANYTIME,
    CONFIDENCE_SEQUENCE,
    COUNTING,
    EARLY,
    TWO_CLASS,
    Settings,
)
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.journal import CLOSED, Line, chain, read_lines
from qrobust.certify.run.keys import FRESH, key_text
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

#: What every line repeats of the plan.
_REPEATED = ["model_sha256", "noise", "sigma", "counting", "span", "coordinates", "streams"]
_REPEATED += ["portable"]
_KNOWN = {item.name for item in fields(Certificate)} | {"chain", "samples", "radius", "correct"}
_KNOWN |= {"radius_unit", "derived"}
_KNOWN_1 = _KNOWN | {"keep", "null", "seed"}


@dataclass(frozen=True)
class Finding:
    """The outcome for one line of a journal.

    Attributes:
        line: its number in the file.
        index: of the image; -1 where the line does not tell.
        reason: why it does not stand; empty where nothing speaks against it.
    """

    line: int
    index: int
    reason: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether the certificate stands."""
        return not self.reason


@dataclass
class Checked:
    """A journal after the checks that need no model.

    Attributes:
        name: of the file.
        head: its header.
        certificates: by line number.
        findings: one a certificate, and one for a damaged header; by line number.
        closed: whether the closing line is there.
    """

    name: str
    head: Head
    certificates: dict[int, Certificate] = field(default_factory=dict)
    findings: dict[int, Finding] = field(default_factory=dict)
    closed: bool = False

    @property
    def failed(self) -> list[Finding]:
        """Findings that speak against a line."""
        return [finding for finding in self.findings.values() if not finding.reproduced]

    def add(self, line: int, reason: str) -> None:
        """Note one more reason against a line."""
        old = self.findings[line]
        joined = "; ".join(part for part in (old.reason, reason) if part)
        self.findings[line] = Finding(line, old.index, joined)


def check_offline(path: str | os.PathLike[str]) -> Checked:
    """Check every line of a journal without its model.

    Raises:
        CertifyError: no journal, an empty or torn one, lines that are no certificates, an image
            twice, or one that was not planned.
    """
    name = os.fspath(path)
    lines = list(read_lines(path, chained=False, whole=True))
    if not lines:
        raise CertifyError(f"{name} holds no finished line; nothing to audit")
    checked = Checked(name, read_head(lines[0].value, name))
    _check_header(checked, lines[0].value)
    previous, seen = str(lines[0].value["chain"]), set[int]()
    for line in lines[1:]:
        if checked.closed:
            raise CertifyError(f"{name}, line {line.number}: follows the closing line")
        broken = line.value.get("chain") != chain(previous, line.value)
        previous = str(line.value.get("chain"))
        if CLOSED in line.value:
            _check_closing(checked, line, broken)
            continue
        certificate = _certificate(checked, line, seen)
        seen.add(certificate.index)
        reasons = ["its chain does not follow from the line before"] if broken else []
        reasons += _reasons(checked.head, certificate, line.value)
        checked.certificates[line.number] = certificate
        checked.findings[line.number] = Finding(line.number, certificate.index, "; ".join(reasons))
    if not checked.certificates:
        raise CertifyError(f"{name} holds no certificate; nothing to audit")
    return checked


def _check_header(checked: Checked, value: dict[str, Any]) -> None:
    if value["chain"] != chain("", value):
        reason = "the header was edited or damaged (its chain does not match)"
        checked.findings[1] = Finding(1, -1, reason)
    if checked.head.version > 1 and value["plan_sha256"] != checked.head.plan_sha256:
        checked.findings[1] = Finding(1, -1, "the plan is not the one that was hashed")


def _check_closing(checked: Checked, line: Line, broken: bool) -> None:
    where = f"{checked.name}, line {line.number}"
    if set(line.value) != {CLOSED, "chain"} or checked.head.version == 1:
        raise CertifyError(f"{where}: no certificate and no closing line")
    checked.closed = True
    count = line.value[CLOSED]
    if broken or type(count) is not int or count != len(checked.certificates):
        reason = f"the closing line speaks of {line.value[CLOSED]!r} certificates"
        checked.findings[line.number] = Finding(line.number, -1, reason)


def _certificate(checked: Checked, line: Line, seen: set[int]) -> Certificate:
    where = f"{checked.name}, line {line.number}"
    unknown = sorted(set(line.value) - (_KNOWN_1 if checked.head.version == 1 else _KNOWN))
    if unknown:
        raise CertifyError(f"{where}: unknown keys: {', '.join(unknown)}")
    try:
        certificate = Certificate.from_json(line.value)
    except CertifyError as error:
        raise CertifyError(f"{where}: {error}") from None
    if certificate.index in seen:
        raise CertifyError(f"{where}: image {certificate.index} a second time")
    if not checked.head.covers(certificate.index):
        raise CertifyError(f"{where}: image {certificate.index} was not planned")
    return certificate


def _plan_of(head: Head, certificate: Certificate) -> dict[str, Any]:
    """The plan, with what headers of version 1 did not say."""
    if head.version > 1:
        return head.plan
    about = {"span": certificate.span, "coordinates": certificate.coordinates}
    return head.plan | about | {"classes": len(certificate.votes), "portable": None}


def claim_of(head: Head, certificate: Certificate, value: dict[str, Any] | None = None) -> Claim:
    """Return what the checker is given; `Refused` where that is no claim."""
    plan = _plan_of(head, certificate)
    value = certificate.to_json() if value is None else value
    line = {name: item for name, item in value.items() if item is not None}
    return read_claim(plan, line, witness=_witness(plan, certificate))


def _reasons(head: Head, certificate: Certificate, value: dict[str, Any]) -> list[str]:
    """Why a line cannot be true, whatever the model."""
    plan = _plan_of(head, certificate)
    reasons = [
        f"{name} is {getattr(certificate, name)}, the header says {plan.get(name)}"
        for name in _REPEATED
        if json.dumps(getattr(certificate, name)) != json.dumps(plan.get(name))
    ]
    if json.dumps(certificate.settings) != json.dumps(head.settings_json):
        reasons.append("its settings are not the header's")
    if certificate.key_level != head.keys.level:
        reasons.append(f"its key is {certificate.key_level}, the header's {head.keys.level}")
    again = certificate.to_json()
    given = {name: item for name, item in value.items() if name != "chain"}
    # As text, 1 and 1.0 and true are three things.
    derived = sorted(
        name
        for name in again
        if name in given and json.dumps(again[name]) != json.dumps(given[name])
    )
    if derived or (head.version > 1 and set(again) != set(given)):
        reasons.append(f"fields that do not follow from the others: {', '.join(derived)}")
    if (certificate.decision == CERTIFIED) == certificate.abstained:
        reasons.append(f"decision {certificate.decision!r} with label {certificate.label}")
    counted, given_votes = plan["method"] in COUNTING, sum(certificate.votes)
    # Of views some may abstain; the claim holds n against the views that there are.
    if certificate.n < given_votes or (certificate.n > given_votes and not counted):
        reasons.append(f"n is {certificate.n}, the votes are {given_votes}")
    pilot = certificate.pilot_votes
    if counted and (pilot is not None or certificate.sampler_error != "0"):
        reasons.append(f"a pilot {pilot} or a sampler's error, where nothing is drawn")
    if head.version > 1 and not counted and (pilot is None or sum(pilot) != certificate.n0):
        reasons.append(f"n0 is {certificate.n0}, which the pilot's votes are not")
    if not _is_pilot(certificate.n0, head.settings):
        reasons.append(f"a pilot of {certificate.n0} samples, {head.settings.n0} planned")
    if plan["portable"] is False:
        reasons += [
            f"{name} is {getattr(certificate, name)}, the plan says {plan[name]}"
            for name in ("kernels", "runtime")
            if getattr(certificate, name) != plan[name]
        ]
    try:
        if head.keys.level != FRESH and certificate.key != key_text(
            key_of(head.keys.to_json(), plan, certificate.index)
        ):
            reasons.append("its key does not follow from the header")
        against = objection(claim_of(head, certificate, again))
        chosen = against or head.settings.method != ANYTIME or _chosen_by_pilot(head, certificate)
    except (Refused, CertifyError) as error:
        against, chosen = str(error), True
    if against:
        reasons.append(against)
    if not chosen:
        reasons.append("n is not what the pilot's votes choose")
    return reasons


def _is_pilot(n0: int, settings: Settings) -> bool:
    """Whether a pilot may have this size: n0, doubled any number of times by an anytime one."""
    if settings.method in (EARLY, CONFIDENCE_SEQUENCE):
        return n0 == early_pilot(settings.n0)
    if settings.method != ANYTIME:
        return n0 == settings.n0
    doubled, rest = divmod(n0, settings.n0)
    return rest == 0 and doubled & (doubled - 1) == 0 < doubled


def _witness(plan: dict[str, Any], certificate: Certificate) -> int | None:
    """For a two-class claim: the quantile of p_A, for the checker to verify, not to believe."""
    if plan["method"] != TWO_CLASS or certificate.abstained:
        return None
    smoothing = _smoothing(plan["sigma"], certificate.span, certificate.coordinates)
    level = charged_level(rational(plan["alpha"], "alpha"), certificate.n, smoothing.variation)
    votes = certificate.votes[certificate.candidate]
    return quantile_q16(probability_bound(votes, certificate.n, level / 2), smoothing.noise.sigma)


def _chosen_by_pilot(head: Head, certificate: Certificate) -> bool:
    """Whether an anytime certificate's n follows from the pilot's votes alone."""
    if certificate.pilot_votes is None:
        return True  # version 1 did not keep them; a re-run tells
    smoothing = _smoothing(head.plan["sigma"], certificate.span, certificate.coordinates)
    method = make_method(head.settings, smoothing, len(certificate.votes))
    if not isinstance(method, Anytime):
        return False
    return method.asks_for(certificate.pilot_votes) == certificate.n


@lru_cache(maxsize=16)
def _smoothing(sigma: str, span: int, coordinates: int) -> GaussianSmoothing:
    noise = noise_table("rounded_gaussian", rational(sigma, "sigma"), span)
    return GaussianSmoothing(noise, InputGrid("int8", 1.0, 0), coordinates)
