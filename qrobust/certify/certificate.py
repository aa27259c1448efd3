"""A certificate: everything that is claimed about one input, and all it takes to check it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from qrobust.certify.bounds import ABSTAIN, RADIUS_BITS
from qrobust.certify.errors import CertifyError

CLOPPER_PEARSON = "clopper_pearson"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """With probability at least ``1 - alpha`` the label holds within the radius.

    The claim: the smoothed classifier gives ``label`` for every input whose L2 distance from this
    one is below the radius. Probability is over the sampling, not over inputs.

    Attributes:
        index: of the image in its data, and in the key of its random streams.
        label: certified class, or `ABSTAIN` (-1).
        candidate: the class that the pilot samples chose.
        radius_q16: certified L2 radius in units of ``2**-16`` LSB; 0 when abstaining.
        span: width of the input grid in LSB; the [0, 1] scale divides by it.
        votes: of the ``n`` fresh samples, one count per class.
        n0: pilot samples.
        n: samples of the bound.
        alpha: error probability, exact decimal text.
        sampler_error: part of alpha kept for the sampler's total variation, rounded up.
        method: of the bound.
        noise: kind of noise.
        sigma: its scale in LSB, exact decimal text.
        seed: of the random streams.
        streams: version of their layout.
        quantized_input: the input came as real numbers and was quantized first; the certificate
            is about the quantized input.
        input_sha256: of the input as int16 little-endian tensor values.
        model_sha256: of the ``.tflite`` file.
        runtime: name and version of the interpreter.
        kernels: its kernel family.
        samples: noisy copies classified.
        y: true class where known.
        seconds: time it took.
    """

    index: int
    label: int
    candidate: int
    radius_q16: int
    span: int
    votes: tuple[int, ...]
    n0: int
    n: int
    alpha: str
    sampler_error: str
    method: str
    noise: str
    sigma: str
    seed: int
    streams: int
    quantized_input: bool
    input_sha256: str
    model_sha256: str
    runtime: str
    kernels: str
    samples: int
    y: int | None = None
    seconds: float = 0.0

    @property
    def abstained(self) -> bool:
        """Whether nothing is certified."""
        return self.label == ABSTAIN

    @property
    def radius(self) -> float:
        """Certified L2 radius in input LSB, exact."""
        return self.radius_q16 / (1 << RADIUS_BITS)

    @property
    def radius_unit(self) -> float:
        """Certified L2 radius on the [0, 1] scale, rounded down to nine decimals."""
        unit = Fraction(self.radius_q16, self.span << RADIUS_BITS)
        return int(unit * 10**9) / 10**9

    @property
    def correct(self) -> bool | None:
        """Whether the label is the true class; None where that is not known."""
        return None if self.y is None else self.label == self.y

    def to_json(self) -> dict[str, Any]:
        """Return one JSON object: the attributes, both radii in numbers, and ``correct``."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value["votes"] = list(self.votes)
        value["radius_lsb"] = self.radius
        value["radius_unit"] = self.radius_unit
        value["correct"] = self.correct
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Certificate:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        known = {field.name: str(field.type) for field in fields(cls)}
        missing = known.keys() - value.keys()
        if missing:
            raise CertifyError(f"the certificate lacks {', '.join(sorted(missing))}")
        chosen = {name: value[name] for name in known}
        for name, item in chosen.items():
            if not isinstance(item, _TYPES[known[name]]) or (
                isinstance(item, bool) and known[name] != "bool"
            ):
                raise CertifyError(f"the certificate's {name} is {item!r}")
        if not all(type(count) is int for count in chosen["votes"]):
            raise CertifyError("the certificate's votes are not all integers")
        chosen["votes"] = tuple(chosen["votes"])
        return cls(**chosen)


# Annotations as text (postponed evaluation), and what JSON gives for them.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "str": (str,),
    "bool": (bool,),
    "float": (int, float),
    "tuple[int, ...]": (list,),
}
