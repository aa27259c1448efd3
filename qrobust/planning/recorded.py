"""What was measured before, in the project's ``docs/results``; a wheel does not bring that folder.

Nothing here was measured on a microcontroller's silicon: instructions were counted by an emulator.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
_RATES = "certificates_rate.json"
_CORES = (
    "microcontroller_digits.json",
    "microcontroller_resnet8.json",
    "microcontroller_bands.json",
    "microcontroller_splits.json",
)
#: MACs and numbers in an input of the network in a record that names no file: ResNet-8, untrained,
#: 32 x 32 x 3.
_RESNET8 = (12_505_728, 3072)
_NAMES = {
    "inference": ("instr/inference", "instructions an inference"),
    "noise": ("instr/noise", "noise of a sample"),
}


@dataclass(frozen=True)
class Rate:
    """Votes a second of a file, once measured.

    Attributes:
        votes_per_s: of long requests on all cores.
        where: the processor, in words.
        load: average at the start; None where it was not recorded.
    """

    votes_per_s: float
    where: str
    load: float | None


@dataclass(frozen=True)
class CoreRun:
    """One network on an emulated core.

    Attributes:
        sha256: of the file; "" where the record names none.
        macs: of an inference; 0 where unknown.
        coordinates: numbers in one input; 0 where unknown.
        inference: instructions of one.
        noise: instructions of a sample's noise, of counted views of making one.
        counted: whether views are counted.
    """

    sha256: str
    macs: int
    coordinates: int
    inference: int
    noise: int
    counted: bool


@dataclass(frozen=True)
class Instructions:
    """Instructions of a vote on a core.

    Attributes:
        low: of one vote.
        high: the same, where it was counted; more where it is an estimate.
        emulated: always: no silicon was seen.
    """

    low: int
    high: int
    emulated: bool = True

    @property
    def counted(self) -> bool:
        """Whether this very file was run."""
        return self.low == self.high


def rates(folder: Path = _RESULTS) -> dict[str, Rate]:
    """Return SHA-256 of a file -> its recorded rate; empty where the records are not here."""
    value = _read(folder / _RATES)
    if value is None:
        return {}
    named = {path.removeprefix("models/").removesuffix("/model.tflite"): digest
             for path, digest in value["models"].items()}  # fmt: skip
    load = value["load"][0] if value["load"] else None
    return {
        named[row["network"]]: Rate(float(row["votes/s"].replace(",", "")), value["cpu"], load)
        for row in value["speeds"]
        if row["network"] in named
    }


def core_names(folder: Path = _RESULTS) -> list[str]:
    """Return the cores that something was counted on."""
    values = [_read(folder / name) for name in _CORES]
    return sorted({row["core"].lower() for v in values if v for row in v["counts"]})


def core_runs(core: str, models: Path | None, folder: Path = _RESULTS) -> list[CoreRun]:
    """Return what was counted on a core.

    Args:
        core: its name, in small letters.
        models: folder of the shipped networks, some of which were run.
        folder: of the records.
    """
    found = []
    for name in _CORES:
        value = _read(folder / name)
        for row in [] if value is None else value["counts"]:
            if row["core"].lower() != core:
                continue
            digest, known = "", _RESNET8
            for path, digest in () if value is None else value["models"].items():
                known = _size(models, path, digest)
            found.append(
                CoreRun(
                    sha256=digest,
                    macs=known[0],
                    coordinates=known[1],
                    inference=_cell(row, "inference"),
                    noise=_cell(row, "noise"),
                    counted="bands" in name or "splits" in name,
                )
            )
    return found


def instructions(
    sha256: str, macs: int, coordinates: int, runs: list[CoreRun]
) -> Instructions | None:
    """Return the instructions of one vote of noise; None where nothing tells.

    Counted where this very file was run. Else an estimate: MACs times the least and the most
    instructions a MAC that any network took, and noise by the number of coordinates.

    Args:
        sha256: of the file.
        macs: of an inference.
        coordinates: numbers in one input.
        runs: of `core_runs`.
    """
    for run in runs:
        if run.sha256 == sha256 and not run.counted:
            return Instructions(run.inference + run.noise, run.inference + run.noise)
    each = [run.inference / run.macs for run in runs if run.macs]
    noise = [run.noise / run.coordinates for run in runs if run.coordinates and not run.counted]
    if not each or not noise or not macs:
        return None
    low, high = (
        min(each) * macs + min(noise) * coordinates,
        max(each) * macs + max(noise) * coordinates,
    )
    return Instructions(int(low), max(int(high), int(low) + 1))


def _size(models: Path | None, path: str, digest: str) -> tuple[int, int]:
    """MACs and numbers in an input of a network that was run; zeros where it is not here."""
    from tflite_export.inspection import inspect

    try:
        content = (models or Path()).joinpath(path.removeprefix("models/")).read_bytes()
    except OSError:
        return 0, 0
    if hashlib.sha256(content).hexdigest() != digest:
        return 0, 0
    found = inspect(content)
    return sum(o.macs for o in found.operators), prod(abs(n) for n in found.inputs[0].shape[1:])


def _cell(row: dict[str, Any], kind: str) -> int:
    return int(next(row[name] for name in _NAMES[kind] if name in row))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except OSError:
        return None
    return value
