"""The rows of the grid, and the paired differences that decide its questions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import results
from numpy.typing import NDArray

from grid.cells import Cell
from grid.paired import paired_points

#: Names of corruptions that are not the mildest of their kind.
STRONGER = (" 2", " 3", " 4", " 5")

Found = Mapping[str, Mapping[str, Any]]
#: Column -> which images count.
Outcomes = Mapping[str, NDArray[np.bool_]]


def outcomes(found: Found, cell: Cell) -> dict[str, NDArray[np.bool_]]:
    """Per column, which images count; columns whose part is not there yet are left out."""
    of: dict[str, Any] = {}
    if "clean" in found:
        of["clean"] = found["clean"]["right"]
    if "attacked" in found:
        of["attacked"] = found["attacked"]["right"]
    if "certified" in found:
        for number, radius in enumerate(cell.settings["radii"], 1):
            of[f"certified, {number} sigma"] = found["certified"]["right"][radius]
    if "corrupted" in found:
        every = found["corrupted"]["right"]
        mildest = [right for name, right in every.items() if not name.endswith(STRONGER)]
        of["corrupted, all kinds, mildest"] = np.all(mildest, axis=0)
        for column, names in cell.corruptions.items():
            of[column] = np.all([every[name] for name in names], axis=0)
    return {name: np.asarray(values, bool) for name, values in of.items()}


def row(found: Found, cell: Cell) -> dict[str, Any]:
    """One network: shares with their counts, the mean over corruptions, calibration."""
    cells: dict[str, Any] = {"cell": cell.group, "seed": cell.seed}
    for name, values in outcomes(found, cell).items():
        cells[name] = results.share(int(values.sum()), len(values))
    if "corrupted" in found:
        mean = float(np.mean(list(found["corrupted"]["right"].values())))
        cells["corrupted, mean"] = f"{mean:.1%}"
    if "clean" in found:
        cells["calibration error"] = f"{found['clean']['calibration_error']:.1%}"
    return cells


def differences(every: Sequence[tuple[Cell, Outcomes]]) -> list[dict[str, Any]]:
    """Every defence beside those that its file names, every width beside float, image by image.

    An interval that holds 0 shows nothing. Images are what varies in it; one seed is one network.
    """
    found = {cell.name: outcome for cell, outcome in every}
    cells = [cell for cell, _ in every]
    rows = []
    for cell in cells:
        for other in _beside(cell, cells):
            theirs = found[other.name]
            line = {"cell": cell.group, "beside": other.group, "seed": cell.seed}
            for name, mine in found[cell.name].items():
                if name in theirs:
                    line[name] = paired_points(mine, theirs[name])
            rows.append(line)
    return rows


def _beside(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    return [
        other
        for other in cells
        if (other.data, other.seed) == (cell.data, cell.seed)
        and (
            (other.bits == cell.bits and other.defence in cell.beside)
            or (other.bits == "float" != cell.bits and other.defence == cell.defence)
        )
    ]
