"""A certificate: everything that is claimed about one input, and all it takes to check it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fractions import Fraction
from math import isqrt
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.radius import ABSTAIN, RADIUS_BITS

L2 = "l2"
_NINE_DECIMALS = 10**9


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """With probability at least ``1 - alpha`` the label holds within the radius.

    The claim: the smoothed classifier gives ``label`` for every input whose distance from this
    one is below the radius (L2, in LSB), or whose pixels differ in at most that many (L0).
    Probability is over the sampling, not over inputs.

    Attributes:
        index: of the image in its data, and in the key of its random streams.
        label: certified class, or `ABSTAIN` (-1).
        candidate: the class that the pilot samples chose.
        radius_q16: certified radius in units of ``2**-16``; 0 when abstaining.
        norm: ``"l2"``, radius in LSB, or ``"l0"``, radius in pixels.
        decision: how the method ended.
        votes: of the ``n`` fresh samples, one count per class.
        n0: pilot samples drawn.
        n: fresh samples drawn.
        settings: of the method; see `Settings`.
        sampler_error: part of alpha kept for the sampler's total variation, rounded up.
        noise: kind of noise.
        sigma: its scale in LSB, exact decimal text; None for ablation.
        span: width of the input grid in LSB; the [0, 1] scale divides by it.
        coordinates: numbers in one input.
        seed: of the random streams.
        streams: version of their layout.
        quantized_input: the input came as real numbers and was quantized first; the certificate
            is about the quantized input.
        input_sha256: of the input as int16 little-endian tensor values.
        model_sha256: of the ``.tflite`` file.
        runtime: name and version of the interpreter.
        kernels: its kernel family.
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
    votes: tuple[int, ...]
    n0: int
    n: int
    settings: dict[str, Any] = field(hash=False)
    sampler_error: str
    noise: str
    sigma: str
    span: int
    coordinates: int
    seed: int
    streams: int
    quantized_input: bool
    input_sha256: str
    model_sha256: str
    runtime: str
    kernels: str
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
        """Certified radius in LSB (L2) or pixels (L0), exact."""
        return self.radius_q16 / (1 << RADIUS_BITS)

    @property
    def radius_unit(self) -> float | None:
        """Certified L2 radius on the [0, 1] scale, rounded down to nine decimals."""
        if self.norm != L2:
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
        value = {item.name: getattr(self, item.name) for item in fields(self)}
        value["votes"] = list(self.votes)
        value["samples"] = self.samples
        value["radius"] = self.radius
        value["correct"] = self.correct
        if self.norm == L2:
            value["radius_unit"] = self.radius_unit
            value["derived"] = {"linf_lsb": self.radius_linf, "l1_lsb": self.radius_l1}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Certificate:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        value = {"unit": None, **value}  # journals of older versions have none
        known = {item.name: str(item.type) for item in fields(cls)}
        missing = known.keys() - value.keys()
        if missing:
            raise CertifyError(f"the certificate lacks {', '.join(sorted(missing))}")
        chosen = {name: value[name] for name in known}
        for name, item in chosen.items():
            # True is an int to Python, but no count.
            right = isinstance(item, _TYPES[known[name]])
            if not right or (isinstance(item, bool) and known[name] != "bool"):
                raise CertifyError(f"the certificate's {name} is {item!r}")
        if not all(type(count) is int for count in chosen["votes"]):
            raise CertifyError("the certificate's votes are not all integers")
        if "alpha" not in chosen["settings"]:
            raise CertifyError("the certificate's settings lack alpha")
        chosen["votes"] = tuple(chosen["votes"])
        return cls(**chosen)


# Annotations as text (postponed evaluation), and what JSON gives for them.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "str": (str,),
    "str | None": (str, type(None)),
    "bool": (bool,),
    "float": (int, float),
    "tuple[int, ...]": (list,),
    "dict[str, Any]": (dict,),
}
