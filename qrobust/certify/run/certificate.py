"""A certificate: everything that is claimed about one input, and all it takes to check it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from fractions import Fraction
from math import isqrt
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import text_above
from qrobust.certify.arithmetic.radius import ABSTAIN, RADIUS_BITS
from qrobust.certify.methods.outcome import Outcome
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.keys import CHOSEN, key_text
from qrobust.certify.smoothings.smoothing import Smoothing

L2, L1, L0, PATCH = "l2", "l1", "l0", "patch"
_NINE_DECIMALS = 10**9


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """With probability at least ``1 - alpha`` the label holds within the radius.

    The claim: the smoothed classifier gives ``label`` for every input whose distance from this
    one is below the radius (L2, in LSB). Where all views were counted ``alpha`` is 0 and the claim
    certain, for every integer input *at* the radius, too (L1, L0, a patch). Probability is over the
    key, not over inputs; what that is worth depends on where the key comes from, see
    :mod:`qrobust.certify.run.keys`.

    Attributes:
        index: of the image in its data, and in the key of its random streams.
        label: certified class, or `ABSTAIN` (-1).
        candidate: the class that the pilot samples chose.
        radius_q16: certified radius in units of ``2**-16``; 0 when abstaining.
        norm: ``"l2"`` (radius in LSB, an open ball), ``"l1"`` (in LSB, inclusive) or ``"patch"``
            (side of a square in pixels, inclusive).
        decision: how the method ended.
        pilot_votes: of the ``n0`` samples that chose the candidate, one count per class; None in
            journals of version 1.
        votes: of the ``n`` fresh samples, likewise.
        n0: pilot samples drawn.
        n: fresh samples drawn, or views run; of those, some may have abstained.
        settings: of the method; see `Settings`.
        sampler_error: part of alpha kept for the sampler's total variation, rounded up.
        noise: kind of noise.
        sigma: its scale in LSB, exact decimal text; None where views are counted.
        span: width of the input grid in LSB; the [0, 1] scale divides by it.
        coordinates: numbers in one input.
        key: of the image's random words, 32 hexadecimal digits.
        key_level: where it comes from: "chosen", "derived", "witnessed" (claimed: an auditor who
            has the nonce from elsewhere says so) or "fresh".
        streams: version of their layout.
        quantized_input: the input came as real numbers and was quantized first; the certificate
            is about the quantized input.
        input_sha256: of the input as int16 little-endian tensor values.
        model_sha256: of the ``.tflite`` file.
        runtime: name and version of the interpreter.
        kernels: its kernel family.
        portable: whether the file meets the integer contract, so that runtime and kernels do not
            matter; where it does not, they are part of the claim. None in journals of version 1.
        counting: of views, see `Counting`; None where noise is drawn.
        unit: what one LSB is, in words, where the file says it: "pixel step", or "feature step" of
            features that the certificate holds on, and not on what they were computed from.
        y: true class where known.
        seconds: time it took.
    """

    index: int
    label: int
    candidate: int
    radius_q16: int
    norm: str
    decision: str
    pilot_votes: tuple[int, ...] | None
    votes: tuple[int, ...]
    n0: int
    n: int
    settings: dict[str, Any] = field(hash=False)
    sampler_error: str
    noise: str
    sigma: str | None
    span: int
    coordinates: int
    key: str
    key_level: str
    streams: int
    quantized_input: bool
    input_sha256: str
    model_sha256: str
    runtime: str
    kernels: str
    portable: bool | None
    counting: dict[str, Any] | None = field(default=None, hash=False)
    unit: str | None = None
    y: int | None = None
    seconds: float = 0.0

    @property
    def abstained(self) -> bool:
        """Whether nothing is certified."""
        return self.label == ABSTAIN

    @property
    def alpha(self) -> str:
        """Error probability, exact decimal text."""
        return str(self.settings["alpha"])

    @property
    def samples(self) -> int:
        """Randomized copies classified, pilot included."""
        return self.n0 + self.n

    @property
    def radius(self) -> float:
        """Certified radius in LSB, exact."""
        return self.radius_q16 / (1 << RADIUS_BITS)

    @property
    def radius_unit(self) -> float | None:
        """Certified L2 or L1 radius on the [0, 1] scale, rounded down to nine decimals."""
        if self.norm not in (L2, L1):
            return None
        unit = Fraction(self.radius_q16, self.span << RADIUS_BITS)
        return int(unit * _NINE_DECIMALS) / _NINE_DECIMALS

    @property
    def radius_linf(self) -> float | None:
        """L-inf radius in LSB that follows from the L2 one: ``R / sqrt(coordinates)``.

        Derived by geometry, rounded down: no more than the L2 certificate says, and far from
        what a certificate made for L-inf could say.
        """
        if self.norm != L2:
            return None
        return isqrt(self.radius_q16**2 // self.coordinates) / (1 << RADIUS_BITS)

    @property
    def radius_l1(self) -> float | None:
        """L1 radius in LSB that follows from the L2 one: the same, for ``||d||_2 <= ||d||_1``."""
        return None if self.norm != L2 else self.radius

    @property
    def correct(self) -> bool | None:
        """Whether the label is the true class; None where that is not known."""
        return None if self.y is None else self.label == self.y

    def to_json(self) -> dict[str, Any]:
        """Return one JSON object: the attributes, and what follows from them."""
        value = {name: getattr(self, name) for name in _NAMES}
        value["votes"] = list(self.votes)
        value["pilot_votes"] = None if self.pilot_votes is None else list(self.pilot_votes)
        if self.counting is None:
            del value["counting"]
        value["samples"] = self.samples
        value["radius"] = self.radius
        value["correct"] = self.correct
        if self.norm in (L2, L1):
            value["radius_unit"] = self.radius_unit
        if self.norm == L2:
            value["derived"] = {"linf_lsb": self.radius_linf, "l1_lsb": self.radius_l1}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Certificate:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        # Journals of older versions have no unit, those of noise no counting.
        value = {"unit": None, "counting": None, **value}
        seed, index = value.get("seed"), value.get("index")
        if "key" not in value and type(seed) is type(index) is int:
            value |= {"key": key_text((seed, index)), "key_level": CHOSEN}
            value |= {"pilot_votes": None, "portable": None}
        known = _KINDS
        missing = known.keys() - value.keys()
        if missing:
            raise CertifyError(f"the certificate lacks {', '.join(sorted(missing))}")
        chosen = {name: value[name] for name in known}
        for name, item in chosen.items():
            # True is an int to Python, but no count.
            right = isinstance(item, _TYPES[known[name]])
            if not right or (isinstance(item, bool) and not known[name].startswith("bool")):
                raise CertifyError(f"the certificate's {name} is {item!r}")
        for name in ("votes", "pilot_votes"):
            if chosen[name] is None:
                continue
            if not all(type(count) is int for count in chosen[name]):
                raise CertifyError(f"the certificate's {name} are not all integers")
            if not all(0 <= count < 1 << 63 for count in chosen[name]):
                raise CertifyError(f"the certificate's {name} are not all counts")
            chosen[name] = tuple(chosen[name])
        for name, (low, high) in _BOUNDS.items():
            if not low <= chosen[name] <= high:
                raise CertifyError(f"the certificate's {name} is {chosen[name]}")
        if not re.fullmatch("[0-9a-f]{32}", chosen["key"]):
            raise CertifyError(f"the certificate's key is {chosen['key']!r}, not 32 hex digits")
        if "alpha" not in chosen["settings"]:
            raise CertifyError("the certificate's settings lack alpha")
        return cls(**chosen)


def describe_draws(settings: Settings, smoothing: Smoothing, outcome: Outcome) -> dict[str, Any]:
    """Return the attributes of a certificate that are about what was drawn and found out.

    Args:
        settings: of the method.
        smoothing: of the inputs.
        outcome: what the method found out.
    """
    pilot, abstained = outcome.pilot, outcome.radius_q16 == ABSTAIN
    return {
        "label": ABSTAIN if abstained else outcome.candidate,
        "candidate": outcome.candidate,
        "radius_q16": max(outcome.radius_q16, 0),
        "norm": smoothing.norm,
        "decision": outcome.decision,
        "pilot_votes": None if pilot is None else tuple(int(count) for count in pilot),
        "votes": tuple(int(count) for count in outcome.votes),
        "n0": 0 if pilot is None else int(pilot.sum()),
        "n": outcome.drawn,
        "settings": settings.to_json(),
        "sampler_error": text_above(settings.n * smoothing.variation),
        **smoothing.description,
    }


_KINDS = {item.name: str(item.type) for item in fields(Certificate)}
_NAMES = tuple(_KINDS)
#: Integers that others divide by or count with, and what they can be.
_BOUNDS = {
    "index": (0, (1 << 64) - 1),
    "label": (ABSTAIN, 1 << 31),
    "candidate": (0, 1 << 31),
    "radius_q16": (0, 1 << 62),
    "span": (1, 1 << 16),
    "coordinates": (1, 1 << 40),
}

# Annotations as text (postponed evaluation), and what JSON gives for them.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "str": (str,),
    "str | None": (str, type(None)),
    "bool": (bool,),
    "bool | None": (bool, type(None)),
    "tuple[int, ...] | None": (list, type(None)),
    "float": (int, float),
    "tuple[int, ...]": (list,),
    "dict[str, Any]": (dict,),
    "dict[str, Any] | None": (dict, type(None)),
}
