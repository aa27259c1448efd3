"""What is said of a published model: one versioned schema, ``summary.json``, for cards and reports.

A later room that has something to add (proofs, corruption, families) puts a `Table` into
``ModelSummary.tables``, or sentences into ``Certified.statements``; the card shows both.
Counts are exact and the same on every machine; ``votes_per_second`` and ``seconds`` are not.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qrobust.certify.report.summary import share_interval
from tflite_export.atomic import write_text

FORMAT = "qrobust.summary"
VERSION = 1
FILE = "summary.json"


@dataclass(frozen=True)
class Proportion:
    """A count out of a number of examples.

    Attributes:
        count: how many.
        of: of how many.
    """

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 of nothing."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % Clopper-Pearson interval."""
        return share_interval(self.count, self.of)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Data:
    """What the network was trained and tested on.

    Attributes:
        name: of the data set.
        train_images: examples of the training part.
        test_images: examples of the test part.
        unit: what one LSB of an input is, in words.
        span: width of the [0, 1] scale in LSB; None for features, which have no such scale.
    """

    name: str
    train_images: int
    test_images: int
    unit: str
    span: int | None


@dataclass(frozen=True)
class Network:
    """Architecture and bits, in words.

    Attributes:
        name: of the architecture.
        weight_bits: of weights; "float" for a float twin.
        activation_bits: of activations.
    """

    name: str
    weight_bits: str
    activation_bits: str


@dataclass(frozen=True)
class ModelFile:
    """The published ``.tflite``.

    Attributes:
        bytes: its size, smoothing spec included.
        sha256: of it.
        macs: multiply-accumulates for one input.
        memory: device -> bytes of RAM for activations and the runtime's own state, or why unknown.
        layers: the export's table.
    """

    bytes: int
    sha256: str
    macs: int
    memory: Mapping[str, int | str]
    layers: str


@dataclass(frozen=True)
class Compared:
    """Differing integers of every runtime.

    Attributes:
        inputs: examples compared.
        integers: outputs compared on each runtime.
        differing: runtime -> integers that differ from the reference.
        skipped: runtime that the recipe or the command allowed to be missing -> why it was.
    """

    inputs: int
    integers: int
    differing: Mapping[str, int]
    skipped: Mapping[str, str]


@dataclass(frozen=True)
class CertifiedShare:
    """Certified accuracy at one radius.

    Attributes:
        radius: in LSB.
        certified: images whose true class is certified there.
        of: all images.
    """

    radius: float
    certified: int
    of: int

    @property
    def proportion(self) -> Proportion:
        """The share, with its interval."""
        return Proportion(self.certified, self.of)


@dataclass(frozen=True)
class Certified:
    """What was certified, and how.

    Attributes:
        sigma: of the noise, in LSB.
        images: the first so many of the test part.
        settings: of every certificate, see ``qrobust.certify.Settings``.
        classifier: what was certified: "the file", or "Keras, in float32".
        shares: certified accuracy, radii rising.
        abstained: images without a certificate; None where that is not known.
        statements: further sentences for the card.
    """

    sigma: float
    images: int
    settings: Mapping[str, Any]
    classifier: str
    shares: tuple[CertifiedShare, ...]
    abstained: int | None = None
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttackedShare:
    """Accuracy that an attack leaves.

    Attributes:
        attack: its name.
        target: what it attacked.
        norm: of the ball.
        epsilon: its radius in LSB.
        count: images still classified right.
        of: images attacked.
    """

    attack: str
    target: str
    norm: str
    epsilon: float
    count: int
    of: int


@dataclass(frozen=True)
class Table:
    """Further rows, from whatever room has them.

    Attributes:
        name: in JSON.
        title: a heading of the card.
        columns: headings.
        rows: cells: text, numbers, or ``{"count": k, "of": n}``, shown with its exact interval.
        note: a sentence below.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelSummary:
    """All that a card says.

    Attributes:
        name: of the model.
        command: that published it.
        date: of that, ISO.
        versions: package -> version.
        data: what it was trained and tested on.
        network: its architecture.
        clean: right answers on the test part, without noise.
        file: what was exported; None for a float twin.
        compared: how the runtimes compare; None for a float twin.
        certified: None where nothing was.
        why_not_certified: in words, where nothing was.
        attacks: what attacks leave.
        tables: further rows.
        notes: Markdown that ends the card.
        baseline: the same network without the defence, where there is one.
        votes_per_second: of this run on its machine; None where all certificates were at hand.
        seconds: from training to card, of this run on its machine; None where not measured.
    """

    name: str
    command: str
    date: str
    versions: Mapping[str, str]
    data: Data
    network: Network
    clean: Proportion
    file: ModelFile | None = None
    compared: Compared | None = None
    certified: Certified | None = None
    why_not_certified: str = ""
    attacks: tuple[AttackedShare, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: str = ""
    baseline: "ModelSummary | None" = None
    votes_per_second: int | None = None
    seconds: float | None = None

    @property
    def certified_accuracy(self) -> dict[str, float]:
        """Radius in LSB -> share of images certified to their true class."""
        shares = () if self.certified is None else self.certified.shares
        return {f"{share.radius:g}": share.proportion.value for share in shares}

    def to_json(self) -> dict[str, Any]:
        """Return what ``summary.json`` holds: every field, and the keys that readers rely on."""
        value = {"format": FORMAT, "version": VERSION, **asdict(self)}
        value |= {
            "clean_accuracy": self.clean.value,
            "certified_accuracy": self.certified_accuracy,
            "test_images": self.data.test_images,
        }
        if self.compared is not None:
            value |= {
                "parity": dict(self.compared.differing),
                "parity_skipped": dict(self.compared.skipped),
                "inputs_compared": self.compared.inputs,
                "integers_compared": self.compared.integers,
            }
        if self.file is not None:
            value |= {"model_bytes": self.file.bytes, "model_sha256": self.file.sha256}
        if self.baseline is not None:
            value |= {
                "baseline": self.baseline.to_json(),
                "baseline_clean_accuracy": self.baseline.clean.value,
                "baseline_certified_accuracy": self.baseline.certified_accuracy,
            }
        plain: dict[str, Any] = json.loads(json.dumps(value, default=dict))
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelSummary":
        """Read what `to_json` wrote; `ValueError` where it is another format or version."""
        found = value.get("format"), value.get("version")
        if found != (FORMAT, VERSION):
            raise ValueError(
                f"A summary is {FORMAT}, version {VERSION}. Received: {found[0]}, {found[1]}"
            )
        try:
            known = {item.name: value[item.name] for item in fields(cls)}
            return cls(**{name: _read(name, item) for name, item in known.items()})
        except (KeyError, TypeError) as error:
            raise ValueError(f"The summary is damaged: {error}") from None


def _read(name: str, value: Any) -> Any:
    if name == "baseline":
        return None if value is None else ModelSummary.from_json(value)
    if name == "certified" and value is not None:
        shares = tuple(CertifiedShare(**share) for share in value["shares"])
        statements = tuple(value["statements"])
        return Certified(**{**value, "shares": shares, "statements": statements})
    if name == "tables":
        return tuple(
            Table(
                **{
                    **table,
                    "columns": tuple(table["columns"]),
                    "rows": tuple(tuple(row) for row in table["rows"]),
                }
            )
            for table in value
        )
    if name == "attacks":
        return tuple(AttackedShare(**attack) for attack in value)
    kind = _PARTS.get(name)
    return value if kind is None or value is None else kind(**value)


_PARTS: dict[str, Any] = {
    "data": Data,
    "network": Network,
    "clean": Proportion,
    "file": ModelFile,
    "compared": Compared,
}


def read_summary(path: str | Path) -> ModelSummary:
    """Read a ``summary.json``.

    Raises:
        ValueError: no such file, no JSON, or another format or version.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read '{path}': {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"'{path}' is no summary: a JSON object is needed")
    return ModelSummary.from_json(value)


def write_summary(summary: ModelSummary, path: Path) -> Path:
    """Write ``summary.json``."""
    return write_text(path, json.dumps(summary.to_json(), indent=1) + "\n")
