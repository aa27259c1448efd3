"""The committed grid: which cells, in which order; only bits and defence differ."""

from dataclasses import replace

import pytest
import results
from grid.cells import read_cells
from grid.table import outcomes

GRID = results.PROJECT / "benchmarks" / "evidence.toml"
CELLS = read_cells(GRID)


def test_cells_without_ternary_weights_and_penalties_come_first():
    late = ["jacobian" in cell.adds or cell.bits == "ternary" for cell in CELLS if not cell.seed]
    assert late == sorted(late) and len(late) == 20
    assert [cell.seed == 0 for cell in CELLS] == sorted([cell.seed == 0 for cell in CELLS])[::-1]


def test_more_seeds_are_of_the_cells_that_decide_the_penalty():
    more = {cell.group for cell in CELLS if cell.seed}
    assert more == {f"cifar10-{b}-{d}" for b in ("w4a4", "ternary") for d in ("noise", "jacobian")}


@pytest.mark.parametrize("data", ["cifar10", "keywords"])
def test_cells_differ_in_bits_and_defence_only(data):
    first, *others = [cell.recipe() for cell in CELLS if cell.data == data]
    for other in others:
        bits, training = first.quantization, replace(other.training, frozen_epochs=2)
        assert (other.data, other.network) == (first.data, first.network)
        assert training == first.training and first.training.frozen_epochs == 2
        assert other.quantization == replace(bits, weight_bits=other.quantization.weight_bits)


def test_an_unknown_deciding_cell_is_refused(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID.read_text().replace('"cifar10-w4a4-noise"', '"nowhere"'))
    with pytest.raises(ValueError, match="Received: nowhere"):
        read_cells(path)


LIGHT = GRID.with_name("evidence_light.toml")


def test_cells_in_another_light_differ_in_what_their_names_say():
    cells = {cell.defence: cell for cell in read_cells(LIGHT)}
    twins = {cell.name: cell for cell in CELLS}
    for name in ("none", "noise", "consistency"):  # trained and judged once, for both files
        mine, twin = cells[name], twins[cells[name].name]
        assert mine.recipe() == twin.recipe()
        assert all(mine.grid[key] == twin.grid[key] for key in ("images", "alpha", "n", "n0"))
        assert all(
            mine.settings[key] == twin.settings[key] for key in ("sha256", "radii", "epsilon")
        )
    for name, cell in cells.items():
        recipe = cell.recipe()
        assert (recipe.data.augment == "corrupt") == ("corrupt" in name)
        half = 0.5 if name.endswith("half") else 0.25
        assert recipe.defence.mixed == (half if "mixed" in name else 0)
        assert set(cell.beside) < set(cells)


def test_columns_of_named_corruptions_count_images_right_under_all_of_them():
    (cell,) = (cell for cell in read_cells(LIGHT) if cell.defence == "noise")
    kinds = {kind for names in cell.corruptions.values() for kind in names}
    right = {kind: [True, True, True] for kind in kinds}
    right["jpeg 3"], right["blur 3"] = [True, False, True], [False, True, True]
    found = outcomes({"corrupted": {"right": right}}, cell)
    assert found["other kinds, 3"].tolist() == [False, False, True]
    assert found["fog 3"].all()


@pytest.mark.parametrize(
    ("good", "bad"), [('noise = ["none"]', 'noise = ["nothing"]'), ('["fog 3"]', '["nothing 3"]')]
)
def test_unknown_names_are_refused_before_anything_is_trained(tmp_path, good, bad):
    path = tmp_path / "grid.toml"
    path.write_text(LIGHT.read_text().replace(good, bad))
    with pytest.raises(ValueError, match="Received: nothing"):
        read_cells(path)
