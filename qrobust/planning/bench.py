"""One JSON of a machine's speed on one file: what owners of boards and phones send in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.strict_json import strict_json
from qrobust.planning.machine import Load, Machine

FORMAT, VERSION = "qrobust.bench", 1
#: A bench of many cores has a few kB; a file that claims to be one has no more than this.
_MOST_BYTES = 1 << 20
#: No number of it is larger, and no rate smaller.
_MOST, _LEAST = 10**12, 1e-6

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The file that was run.

    Attributes:
        sha256: of it.
        bytes: its size.
        input: shape of one input.
        classes: outputs.
        sigma: of the noise in LSB, exact text; None where no votes were measured.
    """

    sha256: str
    bytes: int
    input: tuple[int, ...]
    classes: int
    sigma: str | None


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Inferences a second, without noise.

    Attributes:
        batch: inputs of one ``invoke``.
        threads: interpreters at work at a time, each on one thread.
        per_s: inferences a second of the wall clock, all threads together; median over rounds.
        per_cpu_s: of processor time.
    """

    batch: int
    threads: int
    per_s: float
    per_cpu_s: float


@dataclass(frozen=True, kw_only=True)
class Votes:
    """Votes a second of the certifier: noise, inference and counting.

    Attributes:
        request: samples that are asked for at a time: few by sequential tests, many by bounds.
        threads: interpreters at work.
        per_s: votes a second of the wall clock, as many requests under way as threads.
        per_cpu_s: of processor time.
    """

    request: int
    threads: int
    per_s: float
    per_cpu_s: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A machine's speed on a file.

    Attributes:
        date: ISO.
        machine: what was measured on.
        versions: package -> version.
        kernels: LiteRT kernel family.
        subject: the file.
        load: whether others used the machine.
        inferences: of batches and threads.
        votes: of requests and threads; none where the file names no noise.
        start_s: until a certifier had answered its first votes.
        certificate_s: of one certificate beside its votes: bound, journal, turns of the threads.
    """

    date: str
    machine: Machine
    versions: dict[str, str]
    kernels: str
    subject: Subject
    load: Load
    inferences: tuple[Inference, ...]
    votes: tuple[Votes, ...]
    start_s: float | None
    certificate_s: float | None

    def votes_per_s(self, *, short: bool) -> float:
        """Votes a second on all threads, of short requests or of long ones.

        Raises:
            CertifyError: no votes were measured.
        """
        if not self.votes:
            raise CertifyError(
                "the bench holds no votes: its file names no noise; run qrobust bench with --sigma"
            )
        most = max(row.threads for row in self.votes)
        rows = [row for row in self.votes if row.threads == most]
        chosen = min(rows, key=lambda r: r.request) if short else max(rows, key=lambda r: r.request)
        return chosen.per_s

    def to_json(self) -> dict[str, Any]:
        """Return the file's JSON object."""
        return {"format": FORMAT, "version": VERSION, **asdict(self), "load": self.load.to_json()}


def read_bench(path: str | Path) -> Bench:
    """Read what ``qrobust bench --out`` wrote.

    Raises:
        CertifyError: no such file, another format or version, or values of other types.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CertifyError(f"cannot read {path}: {error.strerror}") from None
    if len(raw) > _MOST_BYTES:
        raise CertifyError(f"{path} has more than {_MOST_BYTES} bytes: no bench")
    return bench_of(strict_json(raw, str(path)), str(path))


def bench_of(value: Any, where: str) -> Bench:
    """Read a bench's JSON object; see `read_bench`."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise CertifyError(f"{where} is no bench; qrobust bench MODEL.tflite --out FILE writes one")
    if type(value.get("version")) is not int or value["version"] != VERSION:
        raise CertifyError(
            f"{where} is a bench of version {value.get('version')!r}, this program reads {VERSION}"
        )
    value = {name: item for name, item in value.items() if name not in ("format", "version")}
    try:
        load = {name: item for name, item in _object(value["load"]).items() if name != "busy"}
        subject = _object(value["subject"])
        subject["input"] = tuple(subject["input"])
        value |= {
            "machine": _made(Machine, value["machine"]),
            "load": _made(Load, load),
            "subject": _made(Subject, subject),
            "inferences": tuple(_made(Inference, row) for row in value["inferences"]),
            "votes": tuple(_made(Votes, row) for row in value["votes"]),
        }
        bench = _made(Bench, value)
    except (KeyError, TypeError) as error:
        raise CertifyError(f"{where} is a damaged bench: {error}") from None
    if wrong := next(_impossible(bench), ""):
        raise CertifyError(f"{where} is a damaged bench: {wrong}")
    return bench


def _impossible(bench: Bench) -> Iterator[str]:
    """What no measurement gives."""
    if not re.fullmatch("[0-9a-f]{64}", bench.subject.sha256):
        yield f"sha256 is {bench.subject.sha256!r}"
    shape = bench.subject.input
    if not shape or not all(type(size) is int and size > 0 for size in shape):
        yield f"input is {list(shape)}"
    if not all(isinstance(item, str) for pair in bench.versions.items() for item in pair):
        yield f"versions are {bench.versions}"
    rows = [asdict(run) for run in bench.inferences] + [asdict(vote) for vote in bench.votes]
    for row in rows:
        if not all(_LEAST <= number <= _MOST for number in row.values()):
            yield f"a number that is not positive, too small or too large: {row}"
    counts = (bench.subject.bytes, bench.subject.classes, bench.machine.cores, bench.load.cores)
    if not all(0 < count <= _MOST for count in counts):
        yield f"sizes and cores are {counts}"
    times = (bench.start_s, bench.certificate_s, bench.load.before, bench.load.share)
    if not all(time is None or 0 <= time <= _MOST for time in times):
        yield f"seconds and loads are {times}"
    if bench.load.share > 1:
        yield f"the share of a core is {bench.load.share}"
    if bench.subject.sigma is not None:
        try:
            if rational(bench.subject.sigma, "sigma") <= 0:
                yield f"sigma is {bench.subject.sigma}"
        except CertifyError as error:
            yield str(error)
    if len({bool(bench.votes), bench.start_s is not None, bench.certificate_s is not None}) > 1:
        yield "votes without their start_s and certificate_s, or those without votes"
    if bool(bench.votes) != (bench.subject.sigma is not None):
        yield "votes without sigma, or sigma without votes"


def text_of(bench: Bench) -> str:
    """Return a bench as its JSON text."""
    return json.dumps(bench.to_json(), indent=1, allow_nan=False) + "\n"


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return dict(value)


#: Types of the attributes' values, by their annotations.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "dict[str, str]": (dict,),
}


def _made(kind: type[Row], value: Any) -> Row:
    """Return a dataclass of a JSON object; `TypeError` where keys or types differ."""
    value = _object(value)
    annotations = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]
    if odd := sorted(set(value) ^ set(annotations)):
        raise TypeError(f"unknown or missing keys: {', '.join(odd)}")
    for name, item in value.items():
        types = _TYPES.get(annotations[name], (object,))
        if not isinstance(item, types) or (
            isinstance(item, bool) and bool not in types + (object,)
        ):
            raise TypeError(f"{name} is {item!r}")
    return kind(**value)
