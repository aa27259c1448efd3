"""The lines of a journal of proofs: the one place that knows their fields.

A journal of proofs is a journal of certificates (:mod:`qrobust.certify.run.journal`) whose header
says ``"kind": "proof"``. A line's ``label`` is -1 unless the label is proven; a proof about a wrong
label is a proof. ``alpha`` is 0 everywhere: nothing is sampled.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain, Picture
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome

KIND = "proof"

#: All that a line may hold; whatever else stands in one was never checked.
_FIELDS = {"index", "label", "status", "predicted", "y", "method", "members", "inferences", "boxes"}
_FIELDS |= {"input_sha256", "counterexample", "tree", "seconds", "chain"}

#: What a proof is about. A file inside the integer contract computes one function everywhere.
INTEGER_FUNCTION = "the file's integer function"
#: Theorem that each method rests on.
THEOREMS = {
    "enumeration": "every member of the region was run",
    "intervals": "interval arithmetic through the integer graph",
    "linear": "linear bounds through the integer graph, rounded outwards",
    "subsets": "every set of pixels was run or is proven by bounds",
    "branching": "the leaves cover the region and each is proven by bounds",
}


def proof_header(
    *,
    model_sha256: str,
    data_sha256: str,
    region: str,
    claim: str,
    norm: str,
    method: str,
    budget: int,
    about: str,
    kernels: str,
    mask_sha256: str | None,
) -> dict[str, Any]:
    """Return the header of a journal of proofs."""
    return {
        "kind": KIND,
        "model_sha256": model_sha256,
        "data_sha256": data_sha256,
        "region": region,
        "claim": claim,
        "norm": norm,
        "unit": "LSB",
        "alpha": "0",
        "method": method,
        "theorem": THEOREMS.get(method, method),
        "budget": budget,
        "about": about,
        "kernels": kernels,
        "mask_sha256": mask_sha256,
    }


def is_proof(header: dict[str, Any]) -> bool:
    """Whether a header is that of a journal of proofs."""
    return header.get("kind") == KIND


@dataclass(frozen=True, eq=False)
class ProofLine:
    """One line: what came out for one image.

    Attributes:
        index: of the image.
        y: its true class, or None.
        input_sha256: of the image, see `picture_sha256`.
        outcome: what came out.
        seconds: time it took.
    """

    index: int
    y: int | None
    input_sha256: str
    outcome: Outcome
    seconds: float = 0.0

    @property
    def is_correct(self) -> bool | None:
        """Whether the file's label is the true one, where that is known."""
        return None if self.y is None else self.outcome.predicted == self.y

    def to_json(self) -> dict[str, Any]:
        """Return the line's JSON object."""
        outcome = self.outcome
        line: dict[str, Any] = {
            "index": self.index,
            "label": outcome.label,
            "status": outcome.status,
            "predicted": outcome.predicted,
            "y": self.y,
            "method": outcome.method,
            "members": outcome.members,
            "inferences": outcome.inferences,
            "boxes": outcome.boxes,
            "input_sha256": self.input_sha256,
        }
        if outcome.counterexample is not None:
            found = outcome.counterexample
            line["counterexample"] = {
                "label": found.label,
                "member": found.member,
                "name": found.name,
                "input": base64.b64encode(found.picture.astype("<i2").tobytes()).decode(),
            }
        if outcome.tree is not None:
            line["tree"] = outcome.tree
        return {**line, "seconds": round(self.seconds, 6)}

    @classmethod
    def from_json(cls, line: dict[str, Any], domain: Domain) -> ProofLine:
        """Read a line; `CertifyError` where it is none, or contradicts itself."""
        if unknown := sorted(line.keys() - _FIELDS):
            raise CertifyError(f"unknown fields: {', '.join(unknown)}")
        status, found = line.get("status"), line.get("counterexample")
        if status not in (PROVEN, REFUTED, UNKNOWN):
            raise CertifyError(f"its status is {status!r}")
        numbers = [line.get(key) for key in ("index", "label", "predicted", "inferences", "boxes")]
        if any(type(number) is not int for number in numbers):
            raise CertifyError("a whole number is missing or none")
        if min(line["inferences"], line["boxes"]) < 0:
            raise CertifyError("inferences and boxes are counts")
        members, y, tree = line.get("members"), line.get("y"), line.get("tree")
        if any(value is not None and type(value) is not int for value in (members, y)):
            raise CertifyError("members and y are whole numbers or null")
        if line["label"] != (line["predicted"] if status == PROVEN else -1):
            raise CertifyError(f"its label is {line['label']} though it is {status}")
        if (found is not None) != (status == REFUTED):
            raise CertifyError(f"it is {status} and has {'a' if found else 'no'} counterexample")
        if tree is not None and status != PROVEN:
            raise CertifyError(f"it is {status} and has a tree, which is a proof's")
        outcome = Outcome(
            status,
            line["predicted"],
            str(line.get("method")),
            line["inferences"],
            line["boxes"],
            members,
            None if found is None else _counterexample(found, domain),
            tree,
        )
        seconds = line.get("seconds", 0.0)
        if type(seconds) not in (int, float):
            raise CertifyError(f"its seconds are {seconds!r}")
        return cls(line["index"], y, str(line.get("input_sha256")), outcome, float(seconds))


def _counterexample(found: Any, domain: Domain) -> Counterexample:
    try:
        raw = base64.b64decode(found["input"], validate=True)
        picture = np.frombuffer(raw, "<i2").astype(np.int16).reshape(domain.shape)
        label, member = found["label"], found["member"]
        if type(label) is not int or type(member) is not int:
            raise CertifyError("its counterexample has no label or member")
        return Counterexample(domain.picture(picture), label, member, str(found["name"]))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise CertifyError(f"its counterexample cannot be read: {error}") from None


def picture_sha256(picture: Picture) -> str:
    """Digest of an input, as int16 little-endian grid integers."""
    return hashlib.sha256(picture.astype("<i2").tobytes()).hexdigest()
