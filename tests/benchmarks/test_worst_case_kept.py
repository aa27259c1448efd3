"""Rows of the worst case that are recorded stay, while they are of these very files."""

import pytest
import results
import worst_case

NAME = "digits"
ROW = {"network": NAME, "right": results.share(488, 500)}
SPEED = {"network": NAME, "our CPU s": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    files = [worst_case.MODELS / NAME / part for part in worst_case.PARTS]
    results.record(
        "worst_case", counts=[ROW], speeds=[SPEED], models=files, folder=tmp_path / "results"
    )
    return tmp_path


def kept(folder, images=500, name=NAME):
    return worst_case.kept(folder, name, images, lambda: ({"network": "measured"}, {}))


def test_a_recorded_row_is_not_measured_again(folder):
    assert kept(folder / "keep") == (ROW, SPEED)
    assert list((folder / "keep").iterdir())
    # Without a folder everything is measured.
    assert kept(None)[0] == {"network": "measured"}


@pytest.mark.parametrize("other", [{"images": 100}, {"name": "digits_boundary"}])
def test_other_images_and_other_networks_are_measured(folder, other):
    assert kept(folder / "keep", **other)[0] == {"network": "measured"}


def test_a_row_of_another_file_is_measured_again(folder):
    path = folder / "results" / "worst_case.json"
    digest = results.file_sha256(worst_case.MODELS / NAME / "model.keras")
    path.write_text(path.read_text().replace(digest, "0" * 64))
    assert kept(folder / "keep")[0] == {"network": "measured"}
