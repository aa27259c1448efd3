"""Rows that were recorded on another machine stay, and are compared with image by image."""

import json
import sys
from dataclasses import replace

import evidence
import numpy as np
import pytest
import render
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


def made(at_hand, before=None):
    return tables(CELLS, {cell.name: found for cell, found in at_hand}, before)


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


def test_a_cell_with_more_parts_than_its_row_replaces_it(tmp_path):
    whole = judged(0)
    first = recorded(made([(NONE, {"clean": whole["clean"]})]), tmp_path)
    more = [(NONE, {name: whole[name] for name in ("clean", "corrupted")})]
    assert made(more, first).rows == made(more).rows and not made(more, first).kept
    stale = replace(first[0], counts=[{**first[0].counts[0], results.STALE: "another model"}])
    assert made(more, (stale, first[1])).rows == made(more).rows


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


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Writes what is judged into a folder, records it as "grid", and returns what is recorded."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)

    def run(work, *options, **changed):
        state = tmp_path / f"state{len(list(tmp_path.glob('state*')))}"
        for cell, found in work:
            (state / cell.name).mkdir(parents=True)
            for name, (_, version) in evidence.PARTS.items():
                kept = {"version": version, **found[name], **changed}
                (state / cell.name / f"{name}.json").write_text(json.dumps(kept))
        words = ["evidence.py", "--state", str(state), "--table", "--record", "grid", *options]
        monkeypatch.setattr(sys, "argv", words)
        assert evidence.main() == 0
        names = [name for name in ("grid", "grid_differences") if name in results.names(tmp_path)]
        return [results.read(name, tmp_path) for name in names]

    return run


def test_a_row_that_was_compared_with_none_stays(record):
    (first,) = record([(NONE, judged(0))])
    rows, differences = record([(NOISE, judged(1))])
    assert rows.counts[0] == first.counts[0] and len(rows.counts) == 2
    assert [line["beside"] for line in differences.counts] == [NONE.group]
    # And says where it comes from, however often it stays.
    assert rows.earlier == {NONE.name: f"commit {first.commit}, {first.date}, {first.cpu}"}
    (again, _) = record([(JACOBIAN, judged(2))])
    assert again.earlier == {name: rows.origin(name) for name in (NONE.name, NOISE.name)}
    assert f"{rows.origin(NONE.name)}: {NONE.name}, {NOISE.name}." in render.provenance(again)


def test_what_was_said_of_another_network_is_taken_back(record, tmp_path):
    record([(NONE, judged(0)), (NOISE, judged(1))])
    for name in ("grid", "grid_differences"):  # as they were before outcomes were recorded
        path = tmp_path / f"{name}.json"
        found = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in found.items() if k != "images"}))
    for _ in range(2):
        rows, differences = record([(NOISE, judged(9))])
        assert len(rows.counts) == 2 and not differences.counts


def test_rows_of_cells_that_are_not_asked_for_stay(record):
    before = record([(NONE, judged(0)), (NOISE, judged(1))])
    rows, differences = record([(CONSISTENCY, judged(2))], "--only", CONSISTENCY.name)
    assert list(rows.counts[:2]) == list(before[0].counts) and len(rows.counts) == 3
    assert len(differences.counts) == 2


def test_parts_by_another_method_are_not_at_hand(record):
    before = record([(NONE, judged(0))])
    assert record([(NONE, judged(9))], version="older")[0].counts == before[0].counts


@pytest.mark.parametrize("old", [{"data": {"evidence.toml": "0"}}, {"stale": "old"}, {"text": ""}])
def test_what_is_out_of_date_is_not_mixed_in(record, tmp_path, old):
    record([(NONE, judged(0)), (NOISE, judged(1))])
    path = tmp_path / "grid.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | old))
    with pytest.raises(SystemExit, match="'grid' was recorded with another evidence.toml"):
        record([(NONE, judged(0))])


def test_another_grid_is_not_mixed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    recorded(made([(NONE, judged(0)), (NOISE, judged(1))]), tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["evidence.py", "--state", str(tmp_path), "--table", "--record", "grid"]
    )
    with pytest.raises(SystemExit, match="'grid' was recorded with another evidence.toml"):
        evidence.main()
