"""The smoothing spec: what a ``.tflite`` file says about how to certify it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qrobust.certify.errors import CertifyError
from qrobust.certify.grid import InputGrid
from qrobust.certify.metadata import read_metadata, write_metadata
from qrobust.certify.model import Model, load_model, read_model
from qrobust.certify.noise import ROUNDED_GAUSSIAN, noise_table
from qrobust.certify.rational import Exact, rational, text
from qrobust.certify.streams import LAYOUT_VERSION
from qrobust.certify.tables import RadiusTable, radius_table

#: Name of the metadata entry in the file.
METADATA_NAME = "qrobust.smoothing"

FORMAT_VERSION = 1
LOWEST_INDEX = "lowest_index"


@dataclass(frozen=True)
class SmoothingSpec:
    """How a file is smoothed and certified; it travels inside the file.

    Attributes:
        sigma: scale of the noise in input LSB, exact.
        grid: of the input tensor.
        noise: kind of noise.
        labels: names of the classes, or None.
        tables: votes-to-radius tables for devices. The certifier computes its radii itself and
            never reads them.
        streams: version of the layout of random words.
        tie: how equal outputs are decided; always the lowest index.
    """

    sigma: Fraction
    grid: InputGrid
    noise: str = ROUNDED_GAUSSIAN
    labels: tuple[str, ...] | None = None
    tables: tuple[RadiusTable, ...] = ()
    streams: int = LAYOUT_VERSION
    tie: str = LOWEST_INDEX

    def __post_init__(self) -> None:
        noise_table(self.noise, self.sigma, self.grid.span)  # refuses a bad kind or sigma
        if self.streams != LAYOUT_VERSION:
            raise CertifyError(
                f"the smoothing spec wants stream layout {self.streams}, this program knows "
                f"{LAYOUT_VERSION}; use the version that wrote the file"
            )
        if self.tie != LOWEST_INDEX:
            raise CertifyError(f"unknown tie rule {self.tie!r}; known: {LOWEST_INDEX}")

    @classmethod
    def for_model(
        cls,
        model: Model,
        *,
        sigma: Exact,
        noise: str = ROUNDED_GAUSSIAN,
        labels: tuple[str, ...] | None = None,
        tables: tuple[tuple[int, Exact], ...] = (),
    ) -> SmoothingSpec:
        """Make the spec of a file, its grid read from the file itself.

        Args:
            model: an integer classifier.
            sigma: scale of the noise in input LSB.
            noise: kind of noise.
            labels: names of the classes, as many as the file has.
            tables: ``(n, alpha)`` pairs to store radius tables for.
        """
        file = load_model(model)
        if labels is not None and len(labels) != file.classes:
            raise CertifyError(f"{len(labels)} labels for a model with {file.classes} classes")
        scale = rational(sigma, "sigma")
        table = noise_table(noise, scale, file.grid.span)
        made = tuple(
            radius_table(n, rational(alpha, "alpha"), table, file.coordinates)
            for n, alpha in tables
        )
        return cls(scale, file.grid, noise=noise, labels=labels, tables=made)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the file carries."""
        return {
            "version": FORMAT_VERSION,
            "noise": self.noise,
            "sigma": text(self.sigma),
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
            "tables": [table.to_json() for table in self.tables],
        }

    @classmethod
    def from_json(cls, value: Any) -> SmoothingSpec:
        """Read what :meth:`to_json` wrote; raise `CertifyError` naming what is wrong."""
        if not isinstance(value, dict):
            raise CertifyError("the smoothing spec is not a JSON object; export the file again")
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
        return cls(
            sigma=rational(value["sigma"], "sigma of the smoothing spec"),
            grid=grid,
            noise=str(value["noise"]),
            labels=None if labels is None else tuple(labels),
            tables=tuple(RadiusTable.from_json(table) for table in value["tables"]),
            streams=value["streams"],
            tie=str(value["tie"]),
        )


def read_spec(model: Model) -> SmoothingSpec | None:
    """Return the file's smoothing spec, or None where it carries none.

    Raises:
        CertifyError: not a ``.tflite`` file, or a damaged file or spec.
    """
    data = read_metadata(read_model(model), METADATA_NAME)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except ValueError:  # JSON and UTF-8 errors
        raise CertifyError("the smoothing spec is not JSON; export the file again") from None
    except RecursionError:
        raise CertifyError("the smoothing spec is nested too deeply") from None
    return SmoothingSpec.from_json(value)


def attach_spec(model: Model, spec: SmoothingSpec) -> bytes:
    """Return the file with the spec in it; an older spec is replaced, all else is kept.

    Raises:
        CertifyError: the spec's grid or labels are not the file's.
    """
    file = load_model(model)
    check_spec(spec, file.grid, file.classes)
    data = json.dumps(spec.to_json(), allow_nan=False, separators=(",", ":")).encode()
    return write_metadata(file.content, METADATA_NAME, data)


def check_spec(spec: SmoothingSpec, grid: InputGrid, classes: int) -> None:
    """Raise `CertifyError` unless the spec describes a file with this grid and these classes."""
    if spec.grid != grid:
        raise CertifyError(f"the smoothing spec is for {spec.grid}, the file has {grid}")
    if spec.labels is not None and len(spec.labels) != classes:
        raise CertifyError(
            f"the smoothing spec names {len(spec.labels)} labels, the file has {classes} classes"
        )
