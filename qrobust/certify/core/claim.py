r"""What a certificate claims, and the one comparison that decides it. Read this to believe one.

**Claim.** ``f`` is an integer classifier of one input, ``g(x) = argmax_c P(f(sat(x + N)) = c)``
with ``N`` rounded Gaussian noise of scale ``sigma`` (input LSB) in every coordinate, ties to the
lowest index. With probability at least ``1 - alpha`` over the key, ``g(x + d) = label`` for every
``d`` with ``||d||_2 < R``; integer shifts are meant, and real ones only after quantization.

**Theorem.** For integer ``x``, ``round(x + e) = x + round(e)``: rounding, saturation and ``f`` are
post-processing of a Gaussian, so Cohen, Rosenfeld and Kolter (ICML 2019), theorem 1, holds: if
``p_A`` is the probability of the label and ``p_B`` the largest of another class,
``R = sigma / 2 (Phi^-1(p_A) - Phi^-1(p_B))``. With ``p_B = 1 - p_A``, ``p_A = Phi(R / sigma)``.

**Decision.** ``n`` votes are independent of the pilot that chose the label. ``k`` of them for it
show ``p_A > p0 = Phi(R / sigma)`` at a level if, were ``p_A <= p0``, so many had come with no more
probability than that. The level is ``alpha``, less what the noise may be wrong by: 80-bit
thresholds are within ``2 span 2**-80`` in total variation, times coordinates, times samples.

========================== =======================================================================
method                     accepts where
========================== =======================================================================
clopper_pearson, anytime   ``P(X >= k) < level``, ``X ~ Bin(n, p0)``; ``anytime`` chose ``n`` by
                           looking at the pilot alone
randomized_clopper_pearson ``P(X > k) + u P(X = k) < level`` with ``u`` a uniform word of the key
two_class                  for some ``w``: half of the level shows ``p_A > Phi(w / sigma)``, half,
                           shared by all others, ``p < Phi((w - 2 R) / sigma)`` (or ``R <= w``)
sequential                 the mean over ``q`` of ``(q / p0)^k ((1 - q) / (1 - p0))^(n - k)``
                           reaches ``1 / level``. All ``q > p0`` were fixed beforehand, so it is a
                           supermartingale for every ``p_A <= p0``; by Ville's inequality it ever
                           reaches that with probability ``level`` at most, whenever one stops
sequential_early           the same; it stops sooner where it claims nothing
confidence_sequence        the same, at the radius that the votes happen to show: ``p0`` is rounded
                           up to ``2**-40``, so a ``q`` is ``p0 + a (1 - p0)``, ``a`` fixed before.
                           Each ratio falls as ``p0`` rises: what reaches ``1 / level`` at a ``p0``
                           above ``p_A`` reached it at ``p_A``, whatever radius and moment one took
========================== =======================================================================

**Counting** (``splits``, ``bands``, ``blocks``, ``ablation``) needs no probability: ``f`` runs on
every one of ``n`` views of the input, fixed beforehand, and a change of the named size reaches at
most ``t`` of them. A view reached may move a vote from ``A`` to ``c``, and views that were not run
may all vote for ``c``; so ``A`` stays (ties to the lowest index) where
``n_A - n_c - [c < A] - unseen >= 2 t`` for every other ``c``. Levine and Feizi 2020, 2021.

======== ======================================================== =================================
method   view                                                     ``t``
======== ======================================================== =================================
splits   the middle of the cell of M values each number is in     ``R``, of L1 size ``R`` in LSB
bands    s neighbouring columns, wrapping around, the rest hidden ``min(R + s - 1, w)``, patch R x R
blocks   s x s pixels, likewise                                   the same for rows and columns
ablation one of M disjoint subsets of the pixels                  ``R``, of any ``R`` pixels (L0)
======== ======================================================== =================================

Not decided here: that the classifier is a function of one input, and where the key is from.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qrobust.certify.core import noise
from qrobust.certify.core.rounded import UNIT, bernoulli, normal_cdf, tail

ABSTAIN = -1
FIXED = ("clopper_pearson", "randomized_clopper_pearson", "two_class")
COUNTING = ("splits", "bands", "blocks", "ablation")
_NORMS = {"splits": "l1", "ablation": "l0"}
SEQUENTIAL = ("sequential", "sequential_early")
METHODS = (*FIXED, *SEQUENTIAL, "anytime", "confidence_sequence", *COUNTING)
MOST = 10**7  # votes of a certificate: what one line may cost its reader is bounded, about .7 s
_Q16 = 1 << 16
_DECIMAL = "[0-9]{1,32}([.][0-9]{1,32}|/[1-9][0-9]{,31})?"


class Refused(ValueError):
    """A line that is no certificate; the message says why."""


@dataclass(frozen=True)
class Claim:
    """One certificate, as far as its radius depends on it.

    Attributes:
        method: one of `METHODS`.
        candidate: the class that the pilot chose.
        label: the class certified, or `ABSTAIN`.
        radius_q16: radius in units of ``2**-16`` LSB.
        pilot: votes of the samples that chose, or None in journals that did not keep them.
        votes: of the samples that decide.
        n: samples planned, the most of them where the method stops by itself.
        alpha: error probability.
        sigma: of the noise, in LSB.
        span: width of the input grid in LSB.
        coordinates: numbers in one input.
        radius: that a sequential test was planned for, in LSB.
        weight: ``u`` of the randomized bound, else 1.
        seen: views that were run, of counting; some may have abstained.
        size: s of bands and blocks, M of splits and subsets.
        sides: height and width of the picture, of bands and blocks.
        witness: ``w`` of a two-class bound in units of ``2**-16`` LSB; whoever made it up.
    """

    method: str
    candidate: int
    label: int
    radius_q16: int
    pilot: tuple[int, ...] | None
    votes: tuple[int, ...]
    n: int
    alpha: Fraction
    sigma: Fraction
    span: int
    coordinates: int
    radius: Fraction | None = None
    weight: Fraction = Fraction(1)
    seen: int = 0
    size: int = 0
    sides: tuple[int, int] = (0, 0)
    witness: int | None = None


def objection(claim: Claim) -> str:
    """Return why the claim does not follow from its votes; nothing where it does."""
    if claim.method in COUNTING:
        return _counting(claim)
    drawn, k = sum(claim.votes), claim.votes[claim.candidate]
    if claim.pilot is not None and winner(claim.pilot) != claim.candidate:
        return f"the pilot did not choose class {claim.candidate}"
    if drawn > claim.n or (claim.method in FIXED and drawn != claim.n):
        return f"{drawn} votes of {claim.n} planned"
    if claim.label == ABSTAIN:
        return "an abstention has no radius" if claim.radius_q16 else ""
    if claim.label != claim.candidate:
        return f"label {claim.label} is not what the pilot chose, class {claim.candidate}"
    charged = drawn if claim.method == "anytime" else claim.n
    level = claim.alpha - Fraction(charged * claim.coordinates * 2 * claim.span, 1 << 80)
    radius = Fraction(claim.radius_q16, _Q16)
    if claim.method == "two_class":
        stands = _two_class(claim, k, drawn, level)
    elif claim.method in SEQUENTIAL:
        p0 = _phi_above((claim.radius or 0) / claim.sigma)
        stands = radius <= (claim.radius or 0) and _mixture(p0, drawn, k, level)
    elif claim.method == "confidence_sequence":
        stands = _mixture(-(-_phi_above(radius / claim.sigma) >> 8) << 8, drawn, k, level)
    else:
        stands = tail(drawn, k, _phi_above(radius / claim.sigma), claim.weight) < level
    return "" if stands else f"{k} of {drawn} votes do not certify {float(radius):.6g} LSB"


def _counting(claim: Claim) -> str:
    best, whole = claim.candidate, claim.radius_q16 // _Q16
    if winner(claim.votes) != best:
        return f"class {best} has not the most votes"
    if not sum(claim.votes) <= claim.seen <= claim.n or claim.n != _views(claim):
        return f"{sum(claim.votes)} votes of {claim.seen} views run, {claim.n} planned"
    if claim.label == ABSTAIN:
        return "an abstention has no radius" if claim.radius_q16 else ""
    if claim.label != best or whole * _Q16 != claim.radius_q16:
        return f"label {claim.label}, radius {claim.radius_q16 / _Q16}: not what was counted"
    others = [count + (c < best) for c, count in enumerate(claim.votes) if c != best]
    margin = claim.votes[best] - max(others) - (claim.n - claim.seen)
    reach = [min(whole + claim.size - 1, side) if whole else 0 for side in claim.sides]
    touched = {"bands": reach[1], "blocks": reach[0] * reach[1]}.get(claim.method, whole)
    return "" if margin >= 2 * touched else f"a margin of {margin} votes, {touched} views touched"


def _views(claim: Claim) -> int:
    height, width = claim.sides
    return {"bands": width, "blocks": height * width}.get(claim.method, claim.size)


def _phi_above(x: Fraction) -> int:
    """No less than ``Phi(x)`` in units of ``2**-48``; exact at 0."""
    return UNIT // 2 if x == 0 else normal_cdf(x, 48)[1]


def _two_class(claim: Claim, k: int, n: int, level: Fraction) -> bool:
    if claim.witness is None or len(claim.votes) < 2:
        return False
    w, one = Fraction(claim.witness, _Q16), Fraction(1)
    if not tail(n, k, _phi_above(w / claim.sigma), one) < level / 2:
        return False
    if claim.radius_q16 <= claim.witness:
        return True
    others = [count for c, count in enumerate(claim.votes) if c != claim.candidate]
    below = _phi_above((Fraction(2 * claim.radius_q16, _Q16) - w) / claim.sigma)
    return tail(n, n - max(others), below, one) < level / (2 * len(others))


def _mixture(p0: int, n: int, k: int, level: Fraction) -> bool:
    above = [p0 + (UNIT - p0 >> i) for i in range(1, 9)]
    above += [UNIT - (UNIT - p0 >> i) for i in range(2, 8)]
    if not all(p0 < q < UNIT for q in above):
        return False
    null, total = bernoulli(p0, n, k, up=True), 0
    for q in above:  # in units of 2**-256 of null's last place; of too much, some is enough
        term = bernoulli(q, n, k, up=False)
        shift = term.exponent - null.exponent + 256
        total += term.mantissa << min(shift, 4096) if shift > 0 else term.mantissa >> -shift
    needed = (null.mantissa << 256) * len(above) * level.denominator
    return total * level.numerator >= needed


def winner(counts: Sequence[int]) -> int:
    """Return the class of the most votes, or of the largest output; of equal ones the first."""
    return max(range(len(counts)), key=lambda c: (counts[c], -c))


def count_votes(
    classifier: Callable[[list[int]], Sequence[int]],
    tensor: Sequence[int],
    claim: Claim,
    samples: int,
    key: noise.Pair,
    purpose: int,
    grid: noise.Pair,
) -> list[int]:
    """Draw copies 0 to ``samples - 1`` of an input again; return their votes, one count a class.

    ``classifier`` gives the outputs of one copy, an integer a class; ``grid`` is the least and the
    greatest value of the input's tensor; ``purpose`` is ``noise.PILOT`` or ``noise.BOUND``.
    """
    votes = [0] * len(claim.votes)
    for index in range(samples):
        copy = noise.sample(tensor, key, purpose, index, claim.sigma, grid)
        votes[winner(classifier(copy))] += 1
    return votes


def key_of(source: dict[str, Any], plan: dict[str, Any], index: int) -> noise.Pair:
    """Return the key that a journal's header gives to an image; see docs/certificates.md.

    ``chosen``: the seed and the index. ``derived`` and ``witnessed``: the first 128 bits of SHA-256
    of what the certificate is about, ``witnessed`` with the plan's hash and the nonce.
    """
    level = source.get("level")
    if level == "chosen":
        return _integer(source, "seed", 0, (1 << 64) - 1), index
    if level == "none" and plan.get("method") in COUNTING:
        return 0, 0
    if level not in ("derived", "witnessed"):
        raise Refused(f"a key of level {level!r} does not follow from the header")
    names = ["model_sha256", "data_sha256", "noise", "sigma", "method"]
    about = {name: plan.get(name) for name in names} | {"index": index, "level": level}
    if level == "witnessed":
        plan_hash = hashlib.sha256(canonical(plan)).hexdigest()
        about |= {"nonce": source.get("nonce"), "plan_sha256": plan_hash}
    digest = hashlib.sha256(canonical(about)).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def canonical(value: dict[str, Any]) -> bytes:
    """Return the bytes that are hashed: JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_claim(plan: dict[str, Any], line: dict[str, Any], *, witness: int | None = None) -> Claim:
    """Return the claim of a journal's line under its header's plan, or raise `Refused`."""
    classes = _integer(plan, "classes", 2, 1 << 20)
    method, key = plan.get("method"), line.get("key")
    if method not in METHODS:
        raise Refused(f"method is {method!r}")
    if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{32}", key):
        raise Refused(f"key is {key!r}; it has 32 hexadecimal digits")
    counted = (method, _NORMS.get(method, "patch"))
    kind = counted if method in COUNTING else ("rounded_gaussian", "l2")
    if (plan.get("noise"), line.get("norm")) != kind:
        raise Refused(f"noise is {plan.get('noise')!r}, norm {line.get('norm')!r}")
    weight = Fraction(1)
    if method == "randomized_clopper_pearson":
        uniform = noise.word((int(key[:16], 16), int(key[16:], 16)), noise.UNIFORM, 0)
        weight = Fraction(uniform + 1, 1 << 64)
    if method in COUNTING:
        return _read_counting(plan, line, method, classes)
    alpha, sigma = _number(plan, "alpha"), _number(plan, "sigma")
    if not 0 < alpha <= Fraction(1, 2) or not 0 < sigma <= 1 << 16:
        raise Refused(f"alpha is {plan.get('alpha')!r}, sigma {plan.get('sigma')!r}")
    return Claim(
        method=method,
        candidate=_integer(line, "candidate", 0, classes - 1),
        label=_integer(line, "label", ABSTAIN, classes - 1),
        radius_q16=_integer(line, "radius_q16", 0, 1 << 40),
        pilot=_counts(line, "pilot_votes", classes) if "pilot_votes" in line else None,
        votes=_counts(line, "votes", classes),
        n=_integer(plan, "n", 1, MOST),
        alpha=alpha,
        sigma=sigma,
        span=_integer(plan, "span", 1, 255),
        coordinates=_integer(plan, "coordinates", 1, 1 << 40),
        radius=None if plan.get("radius") is None else _number(plan, "radius"),
        weight=weight,
        witness=witness,
    )


def _read_counting(plan: dict[str, Any], line: dict[str, Any], method: str, classes: int) -> Claim:
    views = plan.get("counting")
    if not isinstance(views, dict) or plan.get("alpha") != "0":
        raise Refused(f"counting is {views!r}, alpha {plan.get('alpha')!r}, which should be 0")
    return Claim(
        method=method,
        candidate=_integer(line, "candidate", 0, classes - 1),
        label=_integer(line, "label", ABSTAIN, classes - 1),
        radius_q16=_integer(line, "radius_q16", 0, 1 << 40),
        pilot=None,
        votes=_counts(line, "votes", classes),
        n=_integer(plan, "n", 1, MOST),
        alpha=Fraction(0),
        sigma=Fraction(0),
        span=_integer(plan, "span", 1, 255),
        coordinates=_integer(plan, "coordinates", 1, 1 << 40),
        seen=_integer(line, "n", 1, MOST),
        size=_integer(views, "size", 1, 1 << 16),
        sides=(_integer(views, "height", 0, 1 << 16), _integer(views, "width", 0, 1 << 16)),
    )


def _integer(value: dict[str, Any], name: str, low: int, high: int) -> int:
    item = value.get(name)
    if type(item) is not int or not low <= item <= high:
        raise Refused(f"{name} is {item!r}; it has to be an integer from {low} to {high}")
    return item


def _counts(value: dict[str, Any], name: str, classes: int) -> tuple[int, ...]:
    item = value.get(name)
    if not isinstance(item, list) or len(item) != classes:
        raise Refused(f"{name} is not one count for each of {classes} classes")
    if not all(type(count) is int and 0 <= count <= MOST for count in item):
        raise Refused(f"{name} holds what is no count")
    return tuple(item)


def _number(value: dict[str, Any], name: str) -> Fraction:
    item = value.get(name)
    if not isinstance(item, str) or not re.fullmatch(_DECIMAL, item):
        raise Refused(f"{name} is {item!r}; it has to be a decimal or a fraction, as text")
    return Fraction(item)
