r"""Several ``.tflite`` files that answer together, as one file with one hash.

What needs several files, because not all of them run for every input, or because a draw says which
one answers, is a bundle: its SHA-256 covers members, order, weights and thresholds, and is what a
certificate names. The file is

=============== ===================================================================================
bytes           what
=============== ===================================================================================
8               ``QRBUNDLE``
4               length of the description, little endian
as many         the description: JSON with sorted keys and no spaces; see `Bundle.description`
the rest        the members, in their order, each as long as the description says
=============== ===================================================================================

There is one way to write a bundle: a file that would be written in another way is refused.

========= =========================================================================================
rule      the class of one copy, of members ``1 .. M`` with logits ``q_i`` in steps of their grids
========= =========================================================================================
draw      that of one member, drawn anew for every copy: ticket ``t`` of ``sum(weights) = 2**b``
          tickets belongs to the first member whose cumulated weights exceed it
adaptive  ``S_i = w_1 q_1 + ... + w_i q_i``; stops at the first ``i`` where the largest of ``S_i``
          is at least ``thresholds[i - 1]`` above the second largest, or at ``M``
consensus where the first ``first`` members say the same class, that one; else that of ``S_M``
========= =========================================================================================

Ties always go to the lowest class.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.strict_json import strict_json

_MAGIC = b"QRBUNDLE"
_LENGTH = struct.Struct("<I")
_VERSION = 1
DRAW, ADAPTIVE, CONSENSUS = "draw", "adaptive", "consensus"
RULES = (DRAW, ADAPTIVE, CONSENSUS)
#: More members, or weights that could overflow a sum of logits in 32 bits, are refused.
MOST_MEMBERS = 256
MOST_WEIGHT = 1 << 15
_MOST_DESCRIPTION = 1 << 20
_Spec = TypeVar("_Spec")


@dataclass(frozen=True)
class Bundle:
    """Members and how they answer; see the table above.

    Attributes:
        rule: one of `RULES`.
        members: the files.
        weights: one whole number a member, 1 to 2**15.
        thresholds: of ``adaptive``: one a member but the last, not negative, in steps of the sum.
        first: of ``consensus``: how many members are asked first, 1 to the number of members.

    Raises:
        CertifyError: no members, numbers that are none, or weights of ``draw`` that do not add up
            to a power of two: only then a draw is exact and takes nothing from alpha.
    """

    rule: str
    members: tuple[bytes, ...]
    weights: tuple[int, ...]
    thresholds: tuple[int, ...] = ()
    first: int = 0

    def __post_init__(self) -> None:
        count = len(self.members)
        if self.rule not in RULES:
            raise CertifyError(f"unknown rule {self.rule!r} of a bundle; known: {', '.join(RULES)}")
        if not 1 <= count <= MOST_MEMBERS:
            raise CertifyError(f"a bundle has 1 to {MOST_MEMBERS} members, received {count}")
        if len(self.weights) != count or not _whole(self.weights, 1, MOST_WEIGHT):
            raise CertifyError(
                f"a bundle of {count} members has as many weights, whole numbers from 1 to "
                f"{MOST_WEIGHT}; received {list(self.weights)}"
            )
        total = sum(self.weights)
        if self.rule == DRAW and total & (total - 1):
            raise CertifyError(
                f"weights of drawn members add up to a power of two, so that every draw is exact; "
                f"received {list(self.weights)}, together {total}"
            )
        wanted = count - 1 if self.rule == ADAPTIVE else 0
        if len(self.thresholds) != wanted or not _whole(self.thresholds, 0, (1 << 31) - 1):
            raise CertifyError(
                f"{self.rule} of {count} members has {wanted} thresholds, whole numbers and not "
                f"negative; received {list(self.thresholds)}"
            )
        low, high = (1, count) if self.rule == CONSENSUS else (0, 0)
        if not _whole((self.first,), low, high):
            raise CertifyError(
                f"{self.rule} of {count} members asks {low} to {high} of them first; received "
                f"{self.first}"
            )

    def description(self) -> dict[str, Any]:
        """The JSON object in front of the members."""
        return {
            "version": _VERSION,
            "rule": self.rule,
            "weights": list(self.weights),
            "thresholds": list(self.thresholds),
            "first": self.first,
            "members": [
                {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for content in self.members
            ],
        }

    def text(self) -> str:
        """How it answers, in a line."""
        said = [f"weights {', '.join(map(str, self.weights))}"]
        if self.thresholds:
            said.append(f"stops at margins of {', '.join(map(str, self.thresholds))}")
        if self.first:
            said.append(f"asks the first {self.first}")
        return f"bundle of {len(self.members)} files, rule {self.rule}: {'; '.join(said)}"

    def to_bytes(self) -> bytes:
        """The file."""
        text = json.dumps(self.description(), sort_keys=True, separators=(",", ":")).encode()
        return b"".join((_MAGIC, _LENGTH.pack(len(text)), text, *self.members))

    @property
    def sha256(self) -> str:
        """Of the file: what a certificate names."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def is_bundle(content: bytes) -> bool:
    """Whether a file says that it is a bundle."""
    return content[: len(_MAGIC)] == _MAGIC


def read_bundle(content: bytes) -> Bundle:
    """Read what `Bundle.to_bytes` wrote.

    Raises:
        CertifyError: a file that is no bundle, is damaged, or was written in another way.
    """
    if not is_bundle(content):
        raise CertifyError("not a bundle: QRBUNDLE is not in front")
    start = len(_MAGIC) + _LENGTH.size
    size = _LENGTH.unpack(content[len(_MAGIC) : start])[0] if len(content) >= start else 0
    if not 0 < size <= min(_MOST_DESCRIPTION, len(content) - start):
        raise CertifyError(f"a damaged bundle: its description has {size} bytes; copy it again")
    said = strict_json(content[start : start + size], "the bundle's description")
    try:
        sizes = [member["bytes"] for member in said["members"]]
        if not _whole(sizes, 1, len(content)) or start + size + sum(sizes) != len(content):
            raise CertifyError("a damaged bundle: its members are not as long as it says")
        members, place = [], start + size
        for length in sizes:
            members.append(content[place : place + length])
            place += length
        found = Bundle(
            rule=said["rule"],
            members=tuple(members),
            weights=tuple(said["weights"]),
            thresholds=tuple(said["thresholds"]),
            first=said["first"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CertifyError(
            f"a damaged bundle: its description lacks something ({type(error).__name__}: {error})"
        ) from None
    if found.to_bytes() != content:
        raise CertifyError(
            "a damaged bundle: hashes of its members, or the form of its description, are other "
            "than this program writes; make it again"
        )
    return found


def refuse_bundle(content: bytes) -> None:
    """Raise `CertifyError` at a bundle where a single file is needed."""
    if is_bundle(content):
        raise CertifyError(
            "this is a bundle of several files, which certify, audit, report and inspect take; "
            "everything else is about one file: combine the members (qrobust ensemble), or take "
            "each alone"
        )


def files_of(content: bytes) -> tuple[bytes, ...]:
    """Return the members of a bundle, or a file alone."""
    return read_bundle(content).members if is_bundle(content) else (content,)


def alike(specs: list[_Spec]) -> _Spec:
    """Return what all members of a bundle have alike; `CertifyError` where they differ."""
    if any(spec != specs[0] for spec in specs):
        raise CertifyError(
            "members of a bundle have one smoothing spec, or none has any; these differ: export "
            "them with the same sigma and labels"
        )
    return specs[0]


def of_members(read: Callable[[bytes], _Spec], members: Iterable[bytes]) -> list[_Spec]:
    """Return what ``read`` says of each; a `CertifyError` of its own names the member."""
    found = []
    for number, member in enumerate(members, 1):
        try:
            found.append(read(member))
        except CertifyError as error:
            raise CertifyError(f"member {number} of the bundle: {error}") from None
    return found


def _whole(values: Any, low: int, high: int) -> bool:
    return all(type(value) is int and low <= value <= high for value in values)
