"""The smoothing spec: what a ``.tflite`` file says about how to certify it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text
from qrobust.certify.arithmetic.noise_table import ROUNDED_GAUSSIAN, noise_table
from qrobust.certify.arithmetic.streams import LAYOUT_VERSION, LAYOUTS
from qrobust.certify.arithmetic.strict_json import strict_json
from qrobust.certify.file.bundle import alike, is_bundle, of_members, read_bundle
from qrobust.certify.file.metadata import read_metadata, write_metadata
from qrobust.certify.file.model_file import Model, ModelFile, load_model, read_model
from qrobust.certify.methods.tables import (
    RadiusTable,
    SequentialTable,
    radius_table,
    sequential_table,
)
from qrobust.certify.smoothings.counting import KINDS as COUNTING
from qrobust.certify.smoothings.counting import SHIFT_KEYS, Counting
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing
from tflite_export.printable import LONGEST

#: Name of the metadata entry in the file.
METADATA_NAME = "qrobust.smoothing"

FORMAT_VERSION = 1
LOWEST_INDEX = "lowest_index"
# "keep" and "null" stand in files of older versions.
_KNOWN = {"version", "noise", "sigma", "keep", "null", "streams", "tie", "grid", "labels", "unit"}
_KNOWN |= {"classes", "tables", "tests", "counting"}


@dataclass(frozen=True)
class SmoothingSpec:
    """How a file is smoothed and certified; it travels inside the file.

    Attributes:
        sigma: scale of the noise in input LSB, exact; None where views are counted.
        grid: of the input tensor.
        noise: kind of noise, or of views: "splits", "bands", "blocks", "ablation".
        counting: of views: their size, and the least margin of a vote.
        labels: names of the classes, or None.
        tables: votes-to-radius tables for devices. The certifier computes its radii itself and
            never reads them.
        tests: thresholds of sequential tests for devices; likewise.
        streams: version of the layout of random words.
        tie: how equal outputs are decided; always the lowest index.
        unit: what one LSB of the input is, in words ("pixel step", "feature step"), or None.
        classes: how many the file tells apart; None in files of older versions.
    """

    sigma: Fraction | None
    grid: InputGrid
    noise: str = ROUNDED_GAUSSIAN
    counting: tuple[int, int] | None = None
    labels: tuple[str, ...] | None = None
    tables: tuple[RadiusTable, ...] = ()
    tests: tuple[SequentialTable, ...] = ()
    streams: int = LAYOUT_VERSION
    tie: str = LOWEST_INDEX
    unit: str | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        if (self.noise in COUNTING) != (self.counting is not None):
            raise CertifyError(f"{self.noise} and counting={self.counting} do not go together")
        if self.counting is None:
            if self.sigma is None:
                raise CertifyError(f"{self.noise} noise needs a sigma")
            noise_table(self.noise, self.sigma, self.grid.span)  # refuses a bad kind or sigma
        elif self.sigma is not None:
            raise CertifyError(f"{self.noise} are counted; they have no sigma")
        if self.streams not in LAYOUTS:
            raise CertifyError(
                f"the smoothing spec wants stream layout {self.streams}, this program knows "
                f"{' and '.join(map(str, LAYOUTS))}; use the version that wrote the file"
            )
        if self.tie != LOWEST_INDEX:
            raise CertifyError(f"unknown tie rule {self.tie!r}; known: {LOWEST_INDEX}")
        for what, words in (("unit", self.unit), *(("label", name) for name in self.labels or ())):
            if words is not None and (len(words) > LONGEST or not words.isprintable()):
                raise CertifyError(
                    f"a {what} of the smoothing spec is at most {LONGEST} printable characters, "
                    f"received {words[:40]!r}"
                )

    @classmethod
    def for_model(
        cls,
        model: Model,
        *,
        sigma: Exact,
        noise: str = ROUNDED_GAUSSIAN,
        labels: tuple[str, ...] | None = None,
        unit: str | None = None,
        tables: tuple[tuple[int, Exact], ...] = (),
        tests: tuple[tuple[Exact, int, Exact], ...] = (),
    ) -> SmoothingSpec:
        """Make the spec of a file, its grid read from the file itself.

        Args:
            model: an integer classifier.
            sigma: scale of the noise in input LSB.
            noise: kind of noise.
            labels: names of the classes, as many as the file has.
            unit: what one LSB of the input is, in words; every certificate repeats it.
            tables: ``(n, alpha)`` pairs to store radius tables for.
            tests: ``(radius, n, alpha)`` triples to store sequential tests for.
        """
        file = load_model(model)
        spec = cls(
            rational(sigma, "sigma"),
            file.grid,
            noise=noise,
            labels=labels,
            unit=unit,
            classes=file.classes,
        )
        return spec.with_tables(file, tables, tests)

    @classmethod
    def for_views(
        cls,
        model: Model,
        kind: str,
        size: int,
        *,
        threshold: int = 0,
        labels: tuple[str, ...] | None = None,
        unit: str | None = None,
    ) -> SmoothingSpec:
        """Make the spec of a file that was trained on views, whose votes are counted.

        Args:
            model: an integer classifier; of all but splits one that takes 2 C channels.
            kind: ``"splits"``, ``"bands"``, ``"blocks"`` or ``"ablation"``.
            size: M of splits or of subsets of pixels, columns of a band, side of a block.
            threshold: least margin of a vote, in steps of the output.
            labels: names of the classes.
            unit: what one LSB of the input is, in words.
        """
        file = load_model(model)
        spec = cls(
            None,
            file.grid,
            noise=kind,
            counting=(size, threshold),
            labels=labels,
            unit=unit,
            classes=file.classes,
        )
        check_spec(spec, file)
        return spec

    def with_tables(
        self,
        file: ModelFile,
        tables: tuple[tuple[int, Exact], ...],
        tests: tuple[tuple[Exact, int, Exact], ...],
    ) -> SmoothingSpec:
        """Return the spec with integer tables computed for a device; see :meth:`for_model`."""
        check_spec(self, file)
        smoothing = self.smoothing(file.shape)
        return replace(
            self,
            tables=tuple(
                radius_table(n, rational(alpha, "alpha"), smoothing) for n, alpha in tables
            ),
            tests=tuple(
                sequential_table(
                    rational(radius, "the radius"), n, rational(alpha, "alpha"), smoothing
                )
                for radius, n, alpha in tests
            ),
        )

    def smoothing(self, shape: tuple[int, ...]) -> GaussianSmoothing | Counting:
        """Return the smoothing of a file whose inputs have ``shape``."""
        if self.counting is not None or self.sigma is None:
            size, threshold = self.counting or (0, 0)
            return Counting(self.noise, size, self.grid, shape, threshold)
        noise = noise_table(self.noise, self.sigma, self.grid.span)
        return GaussianSmoothing(noise, self.grid, prod(shape))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the file carries."""
        return {
            "version": FORMAT_VERSION,
            "noise": self.noise,
            "sigma": None if self.sigma is None else text(self.sigma),
            **self._counting_json(),
            "streams": self.streams,
            "tie": self.tie,
            "grid": {
                "dtype": self.grid.dtype,
                "scale": self.grid.scale,
                "zero_point": self.grid.zero_point,
                "min": self.grid.low,
                "max": self.grid.high,
            },
            "labels": None if self.labels is None else list(self.labels),
            "unit": self.unit,
            "classes": self.classes,
            "tables": [table.to_json() for table in self.tables],
            "tests": [test.to_json() for test in self.tests],
        }

    def _counting_json(self) -> dict[str, dict[str, int]]:
        if self.counting is None:
            return {}
        size, threshold = self.counting
        key = SHIFT_KEYS.get(self.noise)
        shifts = {} if key is None else {"shift_key": key}
        return {"counting": {"size": size, "threshold": threshold} | shifts}

    @classmethod
    def from_json(cls, value: Any) -> SmoothingSpec:
        """Read what :meth:`to_json` wrote; raise `CertifyError` naming what is wrong."""
        if not isinstance(value, dict):
            raise CertifyError("the smoothing spec is not a JSON object; export the file again")
        unknown = sorted(value.keys() - _KNOWN)
        if unknown:
            raise CertifyError(f"the smoothing spec has unknown keys: {', '.join(unknown)}")
        if value.get("version") != FORMAT_VERSION:
            raise CertifyError(
                f"the smoothing spec has version {value.get('version')!r}, this program reads "
                f"{FORMAT_VERSION}; use the version that wrote the file"
            )
        try:
            return cls._read(value)
        except (KeyError, TypeError, AttributeError) as error:
            raise CertifyError(
                f"the smoothing spec is damaged ({type(error).__name__}: {error}); "
                "export the file again"
            ) from None

    @classmethod
    def _read(cls, value: dict[str, Any]) -> SmoothingSpec:
        fields = value["grid"]
        scale, zero_point = fields["scale"], fields["zero_point"]
        if type(scale) not in (int, float) or type(zero_point) is not int:
            raise CertifyError("the smoothing spec's grid is damaged; export the file again")
        grid = InputGrid(str(fields["dtype"]), float(scale), zero_point)
        if (fields["min"], fields["max"]) != (grid.low, grid.high):
            raise CertifyError(
                f"the smoothing spec's grid says [{fields['min']}, {fields['max']}], its zero "
                f"point [{grid.low}, {grid.high}]; export the file again"
            )
        labels = value["labels"]
        if labels is not None and not (
            isinstance(labels, list) and all(isinstance(name, str) for name in labels)
        ):
            raise CertifyError("the smoothing spec's labels must be a list of names")
        unit = value.get("unit")  # files of older versions have none
        if unit is not None and not isinstance(unit, str):
            raise CertifyError("the smoothing spec's unit must be text")
        # Files of older versions have these two for a smoothing that was withdrawn.
        if value.get("keep") is not None or value.get("null") is not None:
            raise CertifyError("the smoothing spec describes ablation, which is withdrawn")
        counting = _read_counting(value.get("counting"), value["noise"])
        sigma = value["sigma"]
        if sigma is not None or counting is None:
            sigma = rational(sigma, "sigma of the smoothing spec")
        classes = value.get("classes")
        if classes is not None and (type(classes) is not int or classes < 2):
            raise CertifyError(f"the smoothing spec's classes are {classes!r}; 2 or more")
        return cls(
            sigma=sigma,
            counting=counting,
            grid=grid,
            noise=str(value["noise"]),
            labels=None if labels is None else tuple(labels),
            tables=tuple(RadiusTable.from_json(table) for table in value["tables"]),
            tests=tuple(SequentialTable.from_json(test) for test in value["tests"]),
            streams=value["streams"],
            tie=str(value["tie"]),
            unit=unit,
            classes=classes,
        )


def _read_counting(value: Any, noise: Any) -> tuple[int, int] | None:
    """Size and threshold of views. Shifts with another key would be another classifier."""
    if value is None:
        return None
    key = SHIFT_KEYS.get(noise) if isinstance(noise, str) else None
    known = {"size", "threshold"} | (set() if key is None else {"shift_key"})
    if not isinstance(value, dict) or set(value) != known:
        raise CertifyError(f"the smoothing spec's counting has to hold {', '.join(sorted(known))}")
    if not all(type(item) is int for item in value.values()):
        raise CertifyError("the smoothing spec's counting has to hold integers")
    if value.get("shift_key") != key:
        raise CertifyError(
            f"the smoothing spec shifts {noise} by key {value['shift_key']}, this program knows "
            f"{key}; use the version that wrote the file"
        )
    return value["size"], value["threshold"]


def read_spec(model: Model) -> SmoothingSpec | None:
    """Return the file's smoothing spec, or None where it carries none.

    Raises:
        CertifyError: not a ``.tflite`` file, or a damaged file or spec.
    """
    content = read_model(model)
    if is_bundle(content):
        return alike(of_members(read_spec, read_bundle(content).members))
    data = read_metadata(content, METADATA_NAME)
    if data is None:
        return None
    return SmoothingSpec.from_json(strict_json(data, "the smoothing spec"))


def attach_spec(model: Model, spec: SmoothingSpec) -> bytes:
    """Return the file with the spec in it; an older spec is replaced, all else is kept.

    Raises:
        CertifyError: the spec's grid, labels or pixels are not the file's.
    """
    file = load_model(model)
    check_spec(spec, file)
    data = json.dumps(spec.to_json(), allow_nan=False, separators=(",", ":")).encode()
    return write_metadata(file.content, METADATA_NAME, data)


def check_spec(spec: SmoothingSpec, file: ModelFile) -> None:
    """Raise `CertifyError` unless the spec describes this file."""
    if spec.grid != file.grid:
        raise CertifyError(f"the smoothing spec is for {spec.grid}, the file has {file.grid}")
    spec.smoothing(file.shape)  # refuses views that the file cannot take
    if spec.classes not in (None, file.classes):
        raise CertifyError(
            f"the smoothing spec is for {spec.classes} classes, the file has {file.classes}"
        )
    if spec.labels is not None and len(spec.labels) != file.classes:
        raise CertifyError(
            f"the smoothing spec names {len(spec.labels)} labels, the file has "
            f"{file.classes} classes"
        )
