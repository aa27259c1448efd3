"""The grid's tables from what is judged at hand and what was recorded before, elsewhere.

A recorded row stays while its cell is not judged at hand. Its outcomes are recorded with it, one
bit an image, so that cells that are judged later, on another machine, are compared with it on the
same images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import STALE, Results

from grid.cells import Cell
from grid.table import Found, Outcomes, differences, outcomes, row

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tables:
    """Both tables of the grid.

    Attributes:
        rows: one for each network.
        differences: one for each comparison of two networks.
        images: of ``Results``: the rows' outcomes, image by image.
        kept: names of the cells whose rows were recorded before.
    """

    rows: Sequence[Row]
    differences: Sequence[Row]
    images: Mapping[str, Mapping[str, str]]
    kept: Sequence[str] = field(default=())


def tables(
    cells: Sequence[Cell],
    at_hand: Mapping[str, Found],
    before: tuple[Results, Results] | None,
) -> Tables:
    """Rows and differences of all cells that are judged at hand or were recorded.

    A cell that is judged at hand for fewer columns than its recorded row has does not replace it. A
    recorded difference stays where its outcomes were not recorded and neither of its rows changed.
    """
    old = {} if before is None else {_key(line): line for line in before[0].counts}
    rows: dict[str, Row] = {}
    bits: dict[str, Outcomes] = {}
    kept = []
    for cell in cells:
        found, recorded = at_hand.get(cell.name, {}), old.get((cell.group, cell.seed))
        made_now = row(found, cell)
        if found and (recorded is None or made_now.keys() >= recorded.keys() - {STALE}):
            rows[cell.name], bits[cell.name] = made_now, outcomes(found, cell)
        elif recorded is not None and before is not None:
            kept.append(cell.name)
            rows[cell.name] = recorded
            bits[cell.name] = unpacked(before[0].images.get(cell.name, {}), recorded)
    beside = differences([(cell, bits[cell.name]) for cell in cells if bits.get(cell.name)])
    made = {_pair(line) for line in beside}
    same = {key for key, line in old.items() if line in rows.values()}
    for line in () if before is None else before[1].counts:
        if _pair(line) not in made and {_key(line), (line["beside"], line["seed"])} <= same:
            beside.append(dict(line))
    order = {(cell.group, cell.seed): number for number, cell in enumerate(cells)}
    beside.sort(key=lambda line: (order[_key(line)], order[line["beside"], line["seed"]]))
    images = {name: packed(found) for name, found in bits.items() if found}
    return Tables(list(rows.values()), beside, images, kept)


def packed(found: Outcomes) -> dict[str, str]:
    """Column -> one bit an image, the first the highest of the first byte, as hexadecimal."""
    return {name: np.packbits(values).tobytes().hex() for name, values in found.items()}


def unpacked(found: Mapping[str, str], recorded: Row) -> dict[str, NDArray[np.bool_]]:
    """What `packed` packed; the row knows how many images there are.

    Raises:
        ValueError: the bits are not those that the row counts.
    """
    bits = {}
    for name, text in found.items():
        share = recorded[name]
        raw = np.frombuffer(bytes.fromhex(text), np.uint8)
        bits[name] = np.unpackbits(raw, count=share["of"]).astype(bool)
        if len(raw) != -(-share["of"] // 8) or bits[name].sum() != share["count"]:
            raise ValueError(
                f"{recorded['cell']}, seed {recorded['seed']}, '{name}': the recorded images are "
                f"not the {share['count']} of {share['of']} that the row counts"
            )
    return bits


def _key(line: Row) -> tuple[str, int]:
    return line["cell"], line["seed"]


def _pair(line: Row) -> tuple[str, str, int]:
    return line["cell"], line["beside"], line["seed"]
