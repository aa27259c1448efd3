"""What an audit says in the end, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qrobust.certify.arithmetic.exact_numbers import rational, text
from qrobust.certify.arithmetic.joint import most_false, most_undrawn
from qrobust.certify.auditing.audit import Audited
from qrobust.certify.auditing.fresh import POWER
from qrobust.certify.auditing.independent import INDEPENDENT
from qrobust.certify.auditing.offline import Checked
from qrobust.certify.methods.settings import COUNTING
from qrobust.certify.run.keys import CHOSEN, DERIVED, FRESH, NONE, WITNESSED
from qrobust.certify.run.plan import CALLABLE, ON_TRUST
from tflite_export.printable import printable

_WORTH = {
    CHOSEN: "chosen: its owner picked the seed; believe no more than you believe him",
    DERIVED: "derived: no network is fitted to its own draws, but who tries many files finds "
    "false certificates at rate alpha a try",
    WITNESSED: "witnessed: the nonce and the plan's hash are the ones that you gave",
    NONE: "none: views are counted and nothing is drawn, so no key matters",
    FRESH: "fresh: another key for every query; who could have tried again is the one who asked",
}


@dataclass(frozen=True)
class Witness:
    """What the auditor obtained himself, from elsewhere than the journal.

    Attributes:
        nonce: published after the plan's hash.
        plan_sha256: published before the nonce.
    """

    nonce: str | None = None
    plan_sha256: str | None = None


def key_level(checked: Checked, witness: Witness) -> tuple[str, str]:
    """Return what the key counts as, and what speaks against it (nothing, if nothing does).

    A journal only claims to be witnessed: without the auditor's own nonce and hash it counts as
    derived.
    """
    keys = checked.head.keys
    given = witness.nonce is not None or witness.plan_sha256 is not None
    if keys.level != WITNESSED:
        return keys.level, "a nonce was given, the journal has none" if given else ""
    if not given:
        return DERIVED, ""
    if witness.nonce is None or witness.plan_sha256 is None:
        return DERIVED, "a witness needs both, --nonce and --plan-hash"
    if witness.nonce != keys.nonce:
        return DERIVED, "the journal's nonce is not the one that was given"
    if witness.plan_sha256 != checked.head.plan_sha256:
        return DERIVED, "the journal's plan is not the one that was published"
    return WITNESSED, ""


@dataclass(frozen=True)
class Verdict:
    """The end of an audit.

    Attributes:
        checked: every line.
        audited: what was run with the model, if anything was.
        witness: what the auditor gave.
        beta: of statements about all images together.
    """

    checked: Checked
    audited: Audited | None
    witness: Witness
    beta: Fraction

    @property
    def refuted(self) -> list[int]:
        """Lines that the auditor's own key refutes."""
        return [f.line for f in self.audited.fresh if f.refuted] if self.audited else []

    @property
    def allowed(self) -> int:
        """Most false certificates that chance explains."""
        return most_false(self.images, rational(self.checked.head.settings.alpha, "a"), self.beta)

    @property
    def certain(self) -> bool:
        """Whether the lines are about views that were counted, so that none can fail."""
        return self.checked.head.settings.method in COUNTING

    @property
    def images(self) -> int:
        """Images planned; in version 1, images in the journal."""
        planned = self.checked.head.images
        return len(self.checked.certificates) if planned is None else planned

    @property
    def certified(self) -> int:
        """Images whose certificate stands and, where the class is known, is right."""
        bad = {finding.line for finding in self.checked.failed} | set(self.refuted)
        return sum(
            not c.abstained and c.correct is not False
            for line, c in self.checked.certificates.items()
            if line not in bad
        )

    @property
    def labelled(self) -> bool:
        """Whether the true class of every image in the journal is known."""
        return all(c.y is not None for c in self.checked.certificates.values())

    @property
    def stands(self) -> bool:
        """Whether nothing speaks against the journal."""
        against = key_level(self.checked, self.witness)[1]
        return not (self.checked.failed or against or len(self.refuted) > self.allowed)

    @property
    def _on_trust(self) -> bool:
        return self.checked.head.plan.get("kernels") == CALLABLE

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        level, against = key_level(self.checked, self.witness)
        value: dict[str, Any] = {
            "certificates": len(self.checked.certificates),
            "planned": self.checked.head.images,
            "certified": self.certified,
            "labelled": self.labelled,
            "closed": self.checked.closed,
            "key": level,
            "key_objection": against,
            "beta": text(self.beta),
            "certain": self.certain,
            "most_false": None if self.checked.head.images is None else self.allowed,
            "stands": self.stands,
            "failed": [
                {"line": f.line, "index": f.index, "reason": f.reason} for f in self.checked.failed
            ],
        }
        if self._on_trust:
            value["on_trust"] = ON_TRUST
        if self.audited:
            value |= {"rerun": len(self.audited.rerun), "draw_seed": self.audited.draw_seed}
            if self.audited.settings.independent:
                value["trusted"] = INDEPENDENT[self.audited.settings.independent]
            if self.audited.settings.fresh_seed is not None and not self.certain:
                value["fresh"] = {
                    "lines": len(self.audited.fresh),
                    "refuted": self.refuted,
                    "gamma": text(self.audited.settings.gamma),
                    "shortfall": float(self._shortfall),
                }
        return value

    @property
    def _shortfall(self) -> Fraction:
        return (
            max((f.shortfall for f in self.audited.fresh), default=Fraction(0))
            if (self.audited)
            else Fraction(0)
        )

    def text(self) -> str:
        """Return what the command line prints."""
        level, against = key_level(self.checked, self.witness)
        count = len(self.checked.certificates)
        lines = [
            f"line {f.line}, image {f.index}: {printable(f.reason)}" for f in self.checked.failed
        ]
        lines.append(f"{count} certificates, {len(self.checked.failed)} do not stand")
        lines += self._totals(count)
        lines.append(f"key {_WORTH[level]}")
        if self.checked.head.keys.level == WITNESSED and level == DERIVED and not against:
            lines.append(
                "(the journal claims a witnessed key: get the nonce and the plan's hash from where "
                "they were published and give --nonce and --plan-hash)"
            )
        if against:
            lines.append(f"key: {against}")
        if self._on_trust:
            lines.append(ON_TRUST)
        if self.audited:
            lines += self._with_model(self.audited, count)
        else:
            lines.append("checked without the model: whether the votes are the model's is open")
        return "\n".join(lines)

    def _totals(self, count: int) -> list[str]:
        said = "certified to their true class" if self.labelled else "certified (classes unknown)"
        if self.checked.head.images is None:
            return [
                f"{self.certified} of {count} lines {said}; a journal of version 1 has no plan, so "
                "how many images were attempted is unknown, and nothing is said of all together"
            ]
        k, sure = self.allowed, f"{float(1 - self.beta):.4g}"
        joint = (
            "certain, alpha is 0: nothing is left to chance"
            if self.certain
            else f"with probability {sure}, at most {k} of {self.images} are false"
        )
        more = "" if self.certain else " or more"
        share = "certified accuracy" if self.labelled else "certified share, right or wrong,"
        return [
            f"{self.certified} of {self.images} {said}{self._missing(count)}",
            f"{joint}: {share} {max(self.certified - k, 0) / self.images:.1%}{more} of these "
            "images",
        ]

    def _missing(self, count: int) -> str:
        missing = self.images - count
        return (
            ""
            if self.checked.closed and not missing
            else (
                f"; {missing} planned images are missing"
                if missing
                else "; the closing line is missing"
            )
        )

    def _with_model(self, audited: Audited, count: int) -> list[str]:
        lines = []
        if audited.draw_seed is not None:
            left = most_undrawn(count, len(audited.rerun), Fraction(1, 20))
            lines.append(
                f"{len(audited.rerun)} of {count} lines run again, drawn with seed "
                f"{audited.draw_seed}: if all were right, with 95 % at most {left} others are not"
            )
        if audited.settings.independent:
            lines.append(
                f"drawn again independently; to trust: {INDEPENDENT[audited.settings.independent]}"
            )
        if self.certain and audited.settings.fresh_seed is not None:
            lines.append(
                f"not estimated again with seed {audited.settings.fresh_seed}: {count} lines are "
                "certain, no other key gives other votes"
            )
        elif audited.settings.fresh_seed is not None:
            refuted = self.refuted
            verdict = "refuted" if len(refuted) > self.allowed else "not refuted"
            lines.append(
                f"estimated again with seed {audited.settings.fresh_seed}: {len(refuted)} of "
                f"{len(audited.fresh)} certified lines refuted (gamma "
                f"{float(audited.settings.gamma):g} over all; chance explains {self.allowed} at "
                f"beta {float(self.beta):g}): {verdict}"
            )
            if refuted:
                lines.append("refuted lines: " + ", ".join(map(str, refuted[:20])))
            lines.append(
                f"a claim that is {float(self._shortfall):.3g} of p_A too high would have been "
                f"found with {float(POWER):.0%}"
            )
        return lines
