"""Published per-image results in the table of Cohen et al., for reports beside journals."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.radius import ABSTAIN, RADIUS_BITS
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.tsv import COLUMNS
from qrobust.certify.run.certificate import L2
from tflite_export.printable import printable

#: The [0, 1] scale of published radii, in LSB of an 8-bit pixel.
SPAN = 255
_MOST_BYTES = 1 << 26
_NUMBER = re.compile(r"[0-9]{1,32}([.][0-9]{1,32})?(e[+-]?[0-9]{1,2})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_RADII = (0, "63.75", "127.5", "191.25", 255)


@dataclass(frozen=True)
class PublishedLine:
    """One line of a published table: what a `Summary` asks of a certificate, and no more.

    Attributes:
        index: of the image in its test set.
        y: true class.
        label: that was certified, or `ABSTAIN`.
        radius_q16: radius in units of ``2**-16`` LSB, rounded down.
        correct: whether the table says that the label is right.
    """

    index: int
    y: int | None
    label: int
    radius_q16: int
    correct: bool
    span: int = SPAN
    norm: str = L2
    unit: str | None = None
    sigma: str = "?"
    samples: int = 0
    key_level: str = "unknown"
    kernels: str = "unknown"
    settings: dict[str, Any] = field(
        default_factory=lambda: {"method": "as published", "alpha": "?", "radius": None}, hash=False
    )

    @property
    def abstained(self) -> bool:
        """Whether nothing is certified."""
        return self.label == ABSTAIN

    @property
    def radius(self) -> float:
        """Certified radius in LSB."""
        return self.radius_q16 / (1 << RADIUS_BITS)


class Published(Summary):
    """The summary of a published table; nothing in it can be checked, and it says so.

    Args:
        lines: of the table.
        source: its file's name.
    """

    def __init__(self, lines: Iterable[PublishedLine], source: str) -> None:
        super().__init__(lines)  # type: ignore[arg-type]
        self.source = source

    @property
    def radii(self) -> list[Fraction]:
        """0, .25, .5, .75 and 1 on the [0, 1] scale, in LSB."""
        return [Fraction(radius) for radius in _RADII]

    @property
    def most_false(self) -> int:
        """Nothing is known of their error probability; none is taken off."""
        return 0

    @property
    def statements(self) -> tuple[str, ...]:
        """What these numbers are worth."""
        return (
            f"{self.images} images as published in {printable(self.source)}, radii as rounded "
            f"there, times {SPAN}: no votes and no keys, so nothing here can be audited.",
        )


def read_published(path: str | os.PathLike[str]) -> Published:
    """Read a table ``idx label predict radius correct time``, as Cohen et al.'s tools write it.

    Radii are on the [0, 1] scale of 8-bit pixels and become LSB. A label counts where the table
    calls it correct and it is the true class.

    Raises:
        CertifyError: no such table, a line that is none, an image twice, or a line that contradicts
            itself.

    References:
        locuslab/smoothing, ``certify.py``; eth-sri/acr-weakness has such tables of six trainings.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CertifyError(f"cannot read {name}: {error.strerror}") from None
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        raise CertifyError(f"{name} is no table of certified radii: it is no plain text") from None
    if len(raw) > _MOST_BYTES:
        raise CertifyError(f"{name} is longer than any table of certified radii")
    rows = text.splitlines()
    if not rows or rows[0].split("\t") != list(COLUMNS):
        raise CertifyError(f"{name} does not begin with the columns {' '.join(COLUMNS)}")
    lines: dict[int, PublishedLine] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row.strip():
            continue
        try:
            line = _line(row.split("\t"))
        except ValueError as error:
            raise CertifyError(f"{name}, line {number}: {error}") from None
        if line.index in lines:
            raise CertifyError(f"{name}, line {number}: image {line.index} a second time")
        lines[line.index] = line
    if not lines:
        raise CertifyError(f"{name} holds no image")
    return Published(lines.values(), os.path.basename(name))


def _line(cells: list[str]) -> PublishedLine:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells, not {len(COLUMNS)}")
    index, label, predict, correct = (cells[i] for i in (0, 1, 2, 4))
    for name, cell in zip(COLUMNS, cells, strict=True):
        kind = _NUMBER if name == "radius" else _WHOLE
        if name != "time" and not kind.fullmatch(cell):
            raise ValueError(f"{name} is {printable(cell)!r}")
    if int(index) < 0 or int(label) < -1 or int(predict) < ABSTAIN or correct not in ("0", "1"):
        raise ValueError(f"idx {index}, label {label}, predict {predict}, correct {correct}")
    if (correct == "1") != (label == predict and int(predict) != ABSTAIN):
        raise ValueError(f"predicts {predict} of class {label} and is correct={correct}")
    radius = Fraction(cells[3]) * SPAN
    return PublishedLine(
        index=int(index),
        y=None if int(label) < 0 else int(label),
        label=int(predict),
        radius_q16=floor(radius * (1 << RADIUS_BITS)),
        correct=correct == "1",
    )


def same_images(runs: dict[str, Summary]) -> dict[str, Summary]:
    """Return the runs on the images that all of them have, so that they are compared pair by pair.

    Raises:
        CertifyError: no such image, or one of which runs say other true classes: other data.
    """
    by_index = {
        name: {certificate.index: certificate for certificate in run.certificates}
        for name, run in runs.items()
    }
    shared = sorted(set.intersection(*(set(found) for found in by_index.values())))
    if not shared:
        raise CertifyError("the runs have no image in common")
    for index in shared:
        known = (found[index].y for found in by_index.values())
        classes = sorted({y for y in known if y is not None})
        if len(classes) > 1:
            raise CertifyError(
                f"image {index} is of class {' and '.join(map(str, classes))}: the runs are about "
                "other data, or in another order"
            )
    chosen: dict[str, Summary] = {}
    for name, run in runs.items():
        kept = [by_index[name][index] for index in shared]
        if isinstance(run, Published):
            chosen[name] = Published(kept, run.source)  # type: ignore[arg-type]
        else:
            chosen[name] = Summary(kept)
    return chosen
