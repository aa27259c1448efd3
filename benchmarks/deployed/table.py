"""Rows of what was found, and every file beside one, paired on the pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import results
from grid.paired import mean_interval, paired_points, points
from grid.table import STRONGER
from numpy.typing import NDArray

from deployed.row import Row

Found = Mapping[str, Mapping[str, Any]]


def outcomes(found: Found) -> dict[str, NDArray[np.bool_]]:
    """Per column, which pictures count; columns whose part is not there are left out."""
    of: dict[str, Any] = {}
    if "clean" in found:
        of["clean"] = found["clean"]["right"]
    if "corrupted" in found:
        of["all corruptions, mildest"] = np.all(
            [v for name, v in found["corrupted"]["right"].items() if not name.endswith(STRONGER)],
            axis=0,
        )
    for epsilon, right in found.get("attacked", {}).get("right", {}).items():
        of[f"worst case, {epsilon}"] = right
    for radius, right in found.get("certified", {}).get("right", {}).items():
        of[f"certified at {radius}"] = right
    return {name: np.asarray(values, bool) for name, values in of.items()}


def line(row: Row, found: Found) -> dict[str, Any]:
    """One file: what it is, shares with their counts, whose gradients were followed."""
    cells: dict[str, Any] = {"file": row.name, "bytes": row.path.stat().st_size}
    if "clean" in found:
        part = found["clean"]
        cells["of the integer contract"] = part["portable"]
        cells["input step"] = f"{part['step']:.6g}"
        cells["integers that differ between kernels"] = f"{part['differ']} of {part['integers']}"
        cells["pictures whose label does"] = part["labels"]
    for name, values in outcomes(found).items():
        cells[name] = results.share(int(values.sum()), len(values))
        if name == "clean" and "corrupted" in found:
            cells["corrupted, mean"] = f"{np.mean(_by_picture(found)):.1%}"
    if "attacked" in found:
        part = found["attacked"]
        whose = "its differentiable twin" if row.through is None else "its Keras model"
        how = "the same logits" if part["exact"] else f"{part['alike']:.1%} of labels alike"
        cells["gradients of"] = f"{whose}, {how}"
    return cells


def differences(
    found: Mapping[str, Found], reference: str, pairs: Sequence[tuple[str, str]] = ()
) -> list[dict[str, Any]]:
    """Files minus others, in points with 95 % intervals over the same pictures.

    Args:
        found: what was found of each file, by name.
        reference: beside which every other file is put.
        pairs: what else is compared, (file, beside); names that are not there are left out.
    """
    every = [(name, reference) for name in found if name != reference]
    every += [pair for pair in pairs if set(pair) <= set(found) and pair not in every]
    return [_difference(found, name, beside) for name, beside in every]


def _difference(found: Mapping[str, Found], name: str, beside: str) -> dict[str, Any]:
    parts, others = found[name], found[beside]
    theirs = outcomes(others)
    cells: dict[str, Any] = {"file": name, "beside": beside}
    for column, mine in outcomes(parts).items():
        if column in theirs:
            cells[column] = paired_points(mine, theirs[column])
            if column == "clean" and "corrupted" in parts and "corrupted" in others:
                means = (_by_picture(one) for one in (parts, others))
                cells["corrupted, mean"] = points(*mean_interval(*means))
    return cells


def _by_picture(found: Found) -> NDArray[np.float64]:
    """The share of corruptions and strengths under which each picture is right."""
    return np.mean(list(found["corrupted"]["right"].values()), axis=0)
