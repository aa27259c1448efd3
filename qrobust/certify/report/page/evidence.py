"""What other commands wrote about the model: attacks, corruptions, proofs, its own summary.

Files are data: what a page takes from one is looked at here, and a file that is something else is
refused with its name and the field that is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.strict_json import strict_json
from qrobust.certify.run.journal import CLOSED, read_lines
from tflite_export.printable import printable

T = TypeVar("T")

_MOST_BYTES = 1 << 26
_NUMBER = (int, float)
PROVEN, REFUTED = "proven", "refuted"


@dataclass(frozen=True)
class Field:
    """A JSON value and where it stands; asking it for what it is not is an error with that place.

    Attributes:
        value: as read.
        where: file and keys, for messages.
    """

    value: Any
    where: str

    def at(self, key: str, *kinds: type) -> Any:
        """The value of a key, of one of these types (a bool is no number)."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise CertifyError(f"{self.where}: '{key}' is no {wanted}; is this the right file?")
        return found

    def inside(self, key: str) -> Field:
        """The object of a key."""
        return Field(self.at(key, dict), f"{self.where}, {key}")

    def each(self, key: str) -> list[Field]:
        """The objects of a list."""
        held = self.at(key, list)
        return [Field(item, f"{self.where}, {key}[{i}]") for i, item in enumerate(held)]

    def counts(self, key: str) -> dict[str, int]:
        """An object of whole numbers."""
        inner = self.inside(key)
        return {str(name): inner.at(name, int) for name in inner.value}


@dataclass(frozen=True)
class Attack:
    """What ``qrobust attack`` left of a model; accuracies in [0, 1], epsilon in LSB."""

    model: str
    sha256: str
    norm: str
    epsilon: float
    images: int
    clean: float
    worst: float
    attacks: tuple[tuple[str, float | None, float], ...]
    checks: tuple[tuple[str, bool, str], ...]
    attacked_certificates: int | None
    broken: int


@dataclass(frozen=True)
class Corruption:
    """What ``qrobust corrupt --json`` counted: kind -> right answers at strengths 1 to 5."""

    sha256: str
    images: int
    clean: int
    mean: float
    kinds: Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Proofs:
    """A journal of ``qrobust verify``: what was asked, and what came out for each image."""

    name: str
    path: str
    model_sha256: str
    data_sha256: str
    region: str
    claim: str
    theorem: str
    about: str
    lines: Mapping[int, Mapping[str, Any]]

    def count(self, status: str) -> int:
        """Images with this outcome."""
        return sum(line["status"] == status for line in self.lines.values())

    @property
    def certain(self) -> int | None:
        """Images proven and right; None where true classes are not known."""
        if not self.lines or any(line["y"] is None for line in self.lines.values()):
            return None
        proven = [line for line in self.lines.values() if line["status"] == PROVEN]
        return len([line for line in proven if line["predicted"] == line["y"]])


@dataclass(frozen=True)
class Model:
    """What ``summary.json`` of a trained model says."""

    name: str
    clean: tuple[int, int]
    sha256: str | None
    facts: tuple[tuple[str, str], ...]
    layers: tuple[str, ...]
    parity: Mapping[str, int]
    skipped: Mapping[str, str]
    compared: tuple[int, int] | None
    attacks: tuple[Mapping[str, Any], ...]
    tables: tuple[Mapping[str, Any], ...]


def _json(path: str | os.PathLike[str]) -> Field:
    name = printable(os.fspath(path))
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CertifyError(f"cannot read {name}: {error.strerror}") from None
    if len(raw) > _MOST_BYTES:
        raise CertifyError(f"{name} is longer than any report")
    value = strict_json(raw, name)
    if not isinstance(value, dict):
        raise CertifyError(f"{name}: not a JSON object")
    return Field(value, name)


def read_attack(path: str | os.PathLike[str]) -> Attack:
    """Read the JSON of ``qrobust attack``; `CertifyError` where it is another file."""
    found = _json(path)
    attacks, checks = [], []
    for attack in found.each("attacks"):
        bounded = attack.at("bounded", bool)
        within = attack.at("accuracy_within_budget", *_NUMBER) if bounded else None
        attacks.append((attack.at("name", str), within, attack.at("mean_queries", *_NUMBER)))
    for check in found.each("masking") if found.value.get("masking") is not None else []:
        checks.append((check.at("name", str), check.at("masked", bool), check.at("meaning", str)))
    return Attack(
        model=found.at("model", str),
        sha256=found.at("sha256", str),
        norm=found.at("norm", str),
        epsilon=found.at("epsilon", *_NUMBER),
        images=found.at("images", int),
        clean=found.at("clean_accuracy", *_NUMBER),
        worst=found.at("worst_case_accuracy", *_NUMBER),
        attacks=tuple(attacks),
        checks=tuple(checks),
        attacked_certificates=found.at("attacked_certificates", int, type(None)),
        broken=len(found.at("broken_certificates", list)),
    )


def read_corruption(path: str | os.PathLike[str]) -> Corruption:
    """Read what ``qrobust corrupt --json`` printed; `CertifyError` where it is another file."""
    found = _json(path)
    kinds: dict[str, list[tuple[int, int]]] = {}
    for one in found.each("corrupted"):
        kinds.setdefault(one.at("kind", str), []).append((one.at("right", int), one.at("of", int)))
    if not kinds:
        raise CertifyError(f"{found.where}: no corruption in it; is this the right file?")
    return Corruption(
        sha256=found.at("sha256", str),
        images=found.at("images", int),
        clean=found.at("clean", int),
        mean=found.at("mean_accuracy", *_NUMBER),
        kinds=kinds,
    )


def is_proofs(path: str | os.PathLike[str]) -> bool:
    """Whether a journal is one of proofs; `CertifyError` where it is no journal."""
    return next((line.value.get("kind") == "proof" for line in read_lines(path)), False)


def read_proofs(name: str, path: str | os.PathLike[str]) -> Proofs:
    """Read a journal of ``qrobust verify``; `CertifyError` where it is damaged."""
    header: Field | None = None
    lines: dict[int, dict[str, Any]] = {}
    for line in read_lines(path):
        found = Field(line.value, f"{printable(os.fspath(path))}, line {line.number}")
        if header is None:
            header = found
        elif CLOSED not in line.value:
            found.at("status", str), found.at("predicted", int), found.at("y", int, type(None))
            found.at("inferences", int), found.at("boxes", int)
            lines[found.at("index", int)] = line.value
    if header is None:
        raise CertifyError(f"{os.fspath(path)} holds no finished line")
    texts = ("model_sha256", "data_sha256", "region", "claim", "theorem", "about")
    told = {key: header.at(key, str) for key in texts}
    return Proofs(name=name, path=os.fspath(path), lines=lines, **told)


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read ``summary.json`` of a trained model; `CertifyError` where it is another file."""
    found = _json(path)
    if (found.value.get("format"), found.value.get("version")) != ("qrobust.summary", 1):
        raise CertifyError(f"{found.where} is no summary.json of qrobust train, version 1")
    data, network, clean = found.inside("data"), found.inside("network"), found.inside("clean")
    bits = f"{network.at('weight_bits', str)} / {network.at('activation_bits', str)}"
    facts = [
        ("data", data.at("name", str)),
        ("network", network.at("name", str)),
        ("bits of weights / activations", bits),
        ("trained on", f"{data.at('train_images', int):,} examples"),
    ]
    file = _optional(found, "file", lambda item: item)
    compared = _optional(found, "compared", lambda item: item)
    if file is not None:
        facts += [
            ("size of the file", f"{file.at('bytes', int):,} bytes"),
            ("multiply-accumulates an input", f"{file.at('macs', int):,}"),
        ]
        facts += [
            (f"memory, {device}", f"{size:,} bytes" if isinstance(size, int) else str(size))
            for device, size in file.at("memory", dict).items()
        ]
    return Model(
        name=found.at("name", str),
        clean=(clean.at("count", int), clean.at("of", int)),
        sha256=None if file is None else file.at("sha256", str),
        facts=tuple(facts),
        layers=() if file is None else tuple(file.at("layers", str).splitlines()),
        parity={} if compared is None else compared.counts("differing"),
        skipped={} if compared is None else compared.at("skipped", dict),
        compared=None
        if compared is None
        else (compared.at("inputs", int), compared.at("integers", int)),
        attacks=tuple(_checked(item) for item in found.each("attacks")),
        tables=tuple(_table(item) for item in found.each("tables")),
    )


def _optional(found: Field, key: str, read: Callable[[Field], T]) -> T | None:
    return None if found.value.get(key) is None else read(found.inside(key))


def _checked(attack: Field) -> Mapping[str, Any]:
    told = {key: attack.at(key, str) for key in ("attack", "target", "norm")}
    numbers = {key: attack.at(key, int) for key in ("count", "of")}
    return {**told, **numbers, "epsilon": attack.at("epsilon", *_NUMBER)}


def _table(table: Field) -> Mapping[str, Any]:
    rows = [
        [_cell(cell) for cell in Field({"row": row}, table.where).at("row", list)]
        for row in table.at("rows", list)
    ]
    columns = [str(column) for column in table.at("columns", list)]
    texts = {key: table.at(key, str) for key in ("title", "note")}
    return {**texts, "columns": columns, "rows": rows}


def _cell(cell: Any) -> str:
    if isinstance(cell, dict) and type(cell.get("count")) is type(cell.get("of")) is int:
        return f"{cell['count'] / max(cell['of'], 1):.1%}"
    return str(cell)
