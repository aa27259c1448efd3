"""Rows that were recorded on another machine stay, and are compared with image by image."""

import json
import sys
from dataclasses import replace

import evidence
import numpy as np
import pytest
import results
from grid.cells import read_cells
from grid.recorded import packed, tables, unpacked

CELLS = [
    cell
    for cell in read_cells(results.PROJECT / "benchmarks" / "evidence.toml")
    if cell.data == "cifar10" and cell.bits == "w4" and not cell.seed
]
NONE, NOISE, CONSISTENCY, JACOBIAN = CELLS
IMAGES = 13


def judged(seed):
    """All that is judged of a cell, as its folder keeps it."""
    rng = np.random.default_rng(seed)
    draw = lambda: rng.integers(2, size=IMAGES).astype(bool).tolist()  # noqa: E731
    return {
        "clean": {"right": draw(), "calibration_error": 0.1},
        "corrupted": {"right": {"fog 1": draw(), "fog 2": draw(), "blur 1": draw()}},
        "certified": {"right": {"63.75": draw(), "127.5": draw()}},
        "attacked": {"right": draw()},
    }


def made(at_hand, before=None, parts=evidence.PARTS):
    return tables(CELLS, {cell.name: found for cell, found in at_hand}, list(parts), before)


def recorded(found, tmp_path):
    """Tables as they come back from their files."""
    both = {"grid": found.rows, "grid_differences": found.differences}
    for name, rows in both.items():
        images = found.images if name == "grid" else None
        results.record(name, counts=rows, images=images, folder=tmp_path)
    return tuple(results.read(name, tmp_path) for name in both)


def test_two_halves_of_the_work_give_the_tables_of_the_whole(tmp_path):
    work = [(cell, judged(number)) for number, cell in enumerate(CELLS)]
    whole = made(work)
    before = recorded(made(work[:2]), tmp_path)
    found = made(work[2:], before)
    assert found.rows == whole.rows and found.differences == whole.differences
    assert found.images == whole.images and len(whole.differences) == 3
    assert found.kept == [NONE.name, NOISE.name]


def test_a_row_without_outcomes_stays_and_is_compared_with_nothing(tmp_path):
    rows, differences = recorded(made([(NONE, judged(0)), (NOISE, judged(1))]), tmp_path)
    before = replace(rows, images={}), differences
    found = made([(JACOBIAN, judged(2))], before)
    assert [row["cell"] for row in found.rows] == [c.group for c in (NONE, NOISE, JACOBIAN)]
    assert found.differences == list(differences.counts) and list(found.images) == [JACOBIAN.name]
    # Another network in the place of one of them: what was said of the two holds no more.
    assert made([(NOISE, judged(9))], before).differences == []


def test_a_cell_with_parts_left_does_not_replace_its_row(tmp_path):
    before = recorded(made([(NONE, judged(0))]), tmp_path)
    part = {"clean": judged(5)["clean"]}
    assert made([(NONE, part)], before).rows == list(before[0].counts)
    assert made([(NONE, part)]).rows[0]["seed"] == 0
    assert made([(NONE, judged(5))], before).rows != list(before[0].counts)


@pytest.mark.parametrize("count", [1, 8, 9, 500])
def test_outcomes_come_back_bit_for_bit(count):
    bits = np.random.default_rng(count).integers(2, size=count).astype(bool)
    row = {"cell": "a", "seed": 0, "clean": results.share(bits.sum(), count)}
    kept = json.loads(json.dumps(packed({"clean": bits})))
    assert np.array_equal(unpacked(kept, row)["clean"], bits)
    wrong = np.packbits(~bits).tobytes().hex()
    for planted in (wrong, kept["clean"] + "00", kept["clean"][2:]):
        if planted == wrong and 2 * bits.sum() == count:
            continue
        with pytest.raises(ValueError, match="not the .* that the row counts|a, seed 0"):
            unpacked({"clean": planted}, row)


def test_another_grid_is_not_mixed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    recorded(made([(NONE, judged(0)), (NOISE, judged(1))]), tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["evidence.py", "--state", str(tmp_path), "--table", "--record", "grid"]
    )
    with pytest.raises(SystemExit, match="'grid' was recorded with another evidence.toml"):
        evidence.main()
