"""How much to sample and which bound to use: the settings that every certificate records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text, whole

CLOPPER_PEARSON = "clopper_pearson"
RANDOMIZED = "randomized_clopper_pearson"
TWO_CLASS = "two_class"
SEQUENTIAL = "sequential"
EARLY = "sequential_early"
ANYTIME = "anytime"
CONFIDENCE_SEQUENCE = "confidence_sequence"

#: Counting of views, which the file's spec names: nothing is drawn, ``alpha`` is 0.
COUNTING = ("splits", "bands", "blocks", "ablation")
#: Tests of one radius.
SEQUENTIALS = (SEQUENTIAL, EARLY)
#: Methods that draw noise.
SAMPLING = (CLOPPER_PEARSON, RANDOMIZED, TWO_CLASS, *SEQUENTIALS, ANYTIME, CONFIDENCE_SEQUENCE)
METHODS = (*SAMPLING, *COUNTING)
#: What holds at every moment together, so that a clock may choose one.
UNIFORM = (*SEQUENTIALS, CONFIDENCE_SEQUENCE)

#: More would take days; a file or an option that asks for it is refused.
MOST_SAMPLES = 10_000_000  # of a certificate that its reader checks in less than a second

#: A day; nobody waits longer for one answer.
LONGEST_MS = 86_400_000

#: Share of the radius that `ANYTIME` may leave on the table.
DEFAULT_GAIN = "0.05"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one certificate; numbers are exact decimal text.

    Attributes:
        method: one of `METHODS`.
        n0: pilot samples that choose the class (the first of them, for `ANYTIME`; the most, for
            `EARLY` and `CONFIDENCE_SEQUENCE`).
        n: samples of the bound; the most that `UNIFORM` and `ANYTIME` may draw.
        alpha: error probability, in (0, 0.5].
        radius: of the `SEQUENTIALS`, in LSB.
        gain: `ANYTIME` stops where ``n`` samples would raise the radius by less than this share.
        deadline_ms: `UNIFORM` draw no more once the clock says so; None for no clock.
    """

    method: str = CLOPPER_PEARSON
    n0: int = 100
    n: int = 10_000
    alpha: str = "0.001"
    radius: str | None = None
    gain: str | None = None
    deadline_ms: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise CertifyError(f"unknown method {self.method!r}; known: {', '.join(METHODS)}")
        if self.method in COUNTING:
            self._count()
            return
        self._check_deadline()
        for name in ("n0", "n"):
            self._set(name, whole(getattr(self, name), name, 1))
            whole(getattr(self, name), name, 1, MOST_SAMPLES)
        self._set("alpha", text(rational(self.alpha, "alpha")))
        if self.method in SEQUENTIALS:
            if self.radius is None:
                raise CertifyError("a sequential test needs a radius")
            radius = rational(self.radius, "the radius")
            if radius < 0:
                raise CertifyError(f"the radius must not be negative, received {self.radius}")
            self._set("radius", text(radius))
        elif self.radius is not None:
            raise CertifyError(f"only a sequential test takes a radius, not {self.method}")
        if self.method == ANYTIME:
            gain = rational(DEFAULT_GAIN if self.gain is None else self.gain, "the gain")
            if not 0 < gain < 1:
                raise CertifyError(f"the gain must lie in (0, 1), received {self.gain}")
            self._set("gain", text(gain))
        elif self.gain is not None:
            raise CertifyError(f"only {ANYTIME} takes a gain, not {self.method}")

    def _check_deadline(self) -> None:
        if self.deadline_ms is None:
            return
        if self.method not in UNIFORM:
            raise CertifyError(
                f"{self.method} may not stop at a deadline: its bound holds at a number of samples "
                f"that no clock chose; with a deadline use {', '.join(UNIFORM)}"
            )
        self._set("deadline_ms", whole(self.deadline_ms, "the deadline (ms)", 1, LONGEST_MS))

    def _count(self) -> None:
        """Check the settings of counting: all views, no pilot, no error."""
        self._set("n", whole(self.n, "n", 1, MOST_SAMPLES))
        if whole(self.n0, "n0", 0) or rational(self.alpha, "alpha") or self.gain is not None:
            raise CertifyError(
                f"{self.method} count every view and cannot fail: n0 is 0, alpha 0, and no gain"
            )
        self._set("alpha", "0")
        if self.deadline_ms is not None:
            raise CertifyError(
                f"{self.method} count every view: a count that a deadline cuts short is not offered"
            )
        if self.radius is not None:
            radius = rational(self.radius, "the radius")
            if radius < 0 or radius.denominator != 1:
                raise CertifyError(f"{self.method} take whole radii, received {self.radius}")
            self._set("radius", text(radius))

    def _set(self, name: str, value: str | int) -> None:
        object.__setattr__(self, name, value)  # normal forms, so that equal settings compare equal

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object; the deadline only where there is one."""
        value = asdict(self)
        if self.deadline_ms is None:  # as it was before there were any, so that hashes stay
            del value["deadline_ms"]
        return value
