"""What certificates of one image promise, what they cost, and whom one has to trust: side by side.

Radii of different norms say different things. Three numbers make them comparable, all in whole
steps of the input grid: how far one number may change, how far all numbers may change at once, and
how many numbers may become anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from qrobust.certify.arithmetic.radius import RADIUS_BITS
from qrobust.certify.report.page.evidence import PROVEN, Proofs
from qrobust.certify.run.certificate import L0, L1, L2, Certificate
from qrobust.certify.run.keys import CHOSEN, DERIVED, FRESH, NONE, WITNESSED

#: Key level -> rank (less is better) and whom one has to trust, see docs/certificates.md.
_KEYS: Mapping[str, tuple[int, str]] = {
    NONE: (1, "nobody for chance: every view was run and counted"),
    WITNESSED: (2, "nobody, once nonce and plan hash are yours from where they were published"),
    FRESH: (3, "whoever ran it: keys were drawn on that device"),
    DERIVED: (4, "that the owner did not try many files until a lucky one"),
    CHOSEN: (5, "the owner, who chose the seed of all draws"),
}
_UNKNOWN = (6, "whoever made it: where its keys come from is not said")
_BOX = re.compile(r"(linf|l0):([0-9]{1,6})")
#: Added to a rank where votes depend on the runtime.
_BOUND = 0.5


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One certificate, or proof, in words and comparable numbers.

    Attributes:
        run: name of its journal.
        claim: what does not change the label.
        label: that holds; None where nothing is promised.
        certain: no error probability.
        chance: of its being false, in words.
        one: most whole steps that any single number may change by; None where the claim is about a
            family of changes.
        every: most whole steps that all numbers may change by at once, each its own way.
        free: how many numbers may become anything.
        cost: inferences and bounds computed.
        trust: rank; less is better.
        whom: to trust, in words.
    """

    run: str
    claim: str
    label: int | None
    certain: bool
    chance: str
    one: int | None
    every: int | None
    free: int | None
    cost: int
    trust: float
    whom: str


def of_certificate(run: str, c: Certificate) -> Promise:
    """Return what a certificate promises."""
    if c.norm == L2:
        claim = f"any change of L2 length below {c.radius:.4g} LSB"
        numbers = _l2(c)
    elif c.norm == L1:
        claim = f"changes that sum up to {c.radius:g} LSB at most"
        whole = c.radius_q16 >> RADIUS_BITS
        numbers = (min(whole, c.span), whole // c.coordinates, whole // c.span)
    elif c.norm == L0:
        pixels = c.radius_q16 >> RADIUS_BITS
        claim = f"anything in {pixels} pixels, whichever they are"
        numbers = (c.span if pixels else 0, 0, min(pixels * _channels(c), c.coordinates))
    else:
        side = c.radius_q16 >> RADIUS_BITS
        claim = f"anything in a square of {side} x {side} pixels, wherever it is"
        numbers = (c.span if side else 0, 0, min(side * side * _channels(c), c.coordinates))
    certain = c.sigma is None
    worth, whom = _KEYS.get(c.key_level, _UNKNOWN)
    if not c.portable:
        whom += f"; and the kernels ({c.kernels}, {c.runtime}), on which the votes depend"
    return Promise(
        run=run,
        claim="nothing: it abstains" if c.abstained else claim,
        label=None if c.abstained else c.label,
        certain=certain,
        chance="none" if certain else f"at most {c.alpha}",
        one=numbers[0],
        every=numbers[1],
        free=numbers[2],
        cost=c.samples,
        trust=worth if c.portable else worth + _BOUND,
        whom=whom,
    )


def _l2(c: Certificate) -> tuple[int, int, int]:
    # The ball is open: the greatest whole numbers whose squares stay below that of the radius.
    if not c.radius_q16:
        return 0, 0, 0
    below = (c.radius_q16**2 - 1) >> (2 * RADIUS_BITS)
    return (
        min(isqrt(below), c.span),
        min(isqrt(below // c.coordinates), c.span),
        min(below // c.span**2, c.coordinates),
    )


def _channels(c: Certificate) -> int:
    # A file that counts bands, blocks or pixels takes every channel twice; at least one there is.
    counting = c.counting or {}
    area = int(counting.get("height", 0)) * int(counting.get("width", 0))
    return max(c.coordinates // (2 * area), 1) if area else 1


def of_proof(proofs: Proofs, line: Mapping[str, Any], span: int) -> Promise:
    """Return what a line of a journal of proofs promises."""
    proven = line["status"] == PROVEN
    one = every = free = None
    box = _BOX.fullmatch(proofs.region)
    if box and box[1] == "linf":
        one = every = min(int(box[2]), span)
        free = 0 if one < span else None
    elif box:
        one, every, free = span, 0, int(box[2])
    bound = "" if proofs.about.startswith("the file's integer") else f"; and {proofs.about}"
    return Promise(
        run=proofs.name,
        claim=f"{proofs.region}: {proofs.claim}" if proven else f"nothing: {line['status']}",
        label=line["predicted"] if proven else None,
        certain=True,
        chance="none",
        one=one if proven else 0,
        every=every if proven else 0,
        free=free if proven else 0,
        cost=line["inferences"] + line["boxes"],
        trust=_BOUND if bound else 0,
        whom=f"nobody for chance: {proofs.theorem}{bound}",
    )


def ranked(promises: Iterable[Promise]) -> list[Promise]:
    """Best promise first.

    What promises nothing comes last. Before it: what cannot be false, then by how far all numbers
    may change, how many may become anything, and how far one may change; equal ones by cost.
    """
    return sorted(
        promises,
        key=lambda p: (
            p.label is None,
            not p.certain,
            -(p.every or 0),
            -(p.free or 0),
            -(p.one or 0),
            p.cost,
        ),
    )
