"""Families that are recorded stay while they are of this very file, these images, this claim."""

import json
import sys

import families
import pytest
import results
from results import share

SMALL = {"digits": ("digits", ("light:16", "light:32")), "digits_proof": ("digits", ("light:16",))}
ALL = [(name, family) for name, (_, of) in SMALL.items() for family in of]
OLD = "commit 0123, 2026-11-27, a processor"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two networks of the digits, recorded with twelve images; each row has its own number."""
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(families, "NETWORKS", SMALL)
    proven = []

    def certain(name, family, data):
        proven.append((name, family))
        number = len(proven)
        row = {"network": name, "family": family, "clean": share(12, 12)}
        return row | {"certain": share(number, 12), "proven": number}

    monkeypatch.setattr(families, "certain", certain)
    assert run(monkeypatch) == ALL and proven == ALL
    path = tmp_path / "families.json"
    there = json.loads(path.read_text())
    assert "earlier" not in there
    path.write_text(json.dumps(there | {"earlier": {"digits light:16": OLD}}))
    proven.clear()
    families.proven = proven
    return tmp_path


def run(monkeypatch, *words, images=12):
    arguments = ["--images", str(images), "--record", "families", *words]
    monkeypatch.setattr(sys, "argv", ["benchmarks/families.py", *arguments])
    assert families.main() == 0
    found = results.read("families", results.FOLDER)
    return [(row["network"], row["family"]) for row in found.counts]


def edit(folder, change):
    path = folder / "families.json"
    there = json.loads(path.read_text())
    change(there)
    path.write_text(json.dumps(there))


def test_the_shipped_results_are_of_what_ships():
    """Every row is of the file, the images and the claim that are there; a run would prove none."""
    found = results.read("families", results.PROJECT / "docs" / "results")
    claims = {name for name in found.data if name.startswith("claim of ")}
    assert claims == {f"claim of {row['network']} {row['family']}" for row in found.counts}
    row = next(r for r in found.counts if (r["network"], r["family"]) == ALL[0])
    assert row["certain"] == share(291, 300) and row["inferences"] == 9900


def test_where_nothing_is_missing_nothing_is_written(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run(monkeypatch) == ALL and families.proven == []
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


FAULTS = {
    "file": lambda there: there.update(models=dict.fromkeys(there["models"], "0" * 64)),
    "images": lambda there: there["data"].update(
        {name: "0" * 64 for name in there["data"] if name.startswith("the first")}
    ),
    "claim": lambda there: there["data"].update({"claim of digits light:16": "0" * 64}),
    "stale": lambda there: there.update(stale="the digits were drawn again"),
    "row": lambda there: there["counts"][0].update(stale="other tables"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_of_something_else_is_proven_anew(folder, monkeypatch, fault):
    edit(folder, FAULTS[fault])
    assert run(monkeypatch) == ALL
    assert families.proven == (ALL[:1] if fault in ("claim", "row") else ALL)
    found = results.read("families", results.FOLDER)
    assert "stale" not in found.counts[0] and found.counts[0]["certain"] == share(1, 12)
    assert OLD not in found.earlier.values()


@pytest.mark.parametrize("fault", FAULTS)
def test_networks_that_were_not_asked_for_stay_and_say_what_is_wrong(folder, monkeypatch, fault):
    edit(folder, FAULTS[fault])
    edit(folder, lambda there: there["counts"].pop())  # the other network has something to prove
    assert run(monkeypatch, "--networks", "digits_proof") == ALL
    assert families.proven == ALL[2:]
    found = results.read("families", results.FOLDER)
    assert found.counts[0]["stale"] and found.counts[0]["certain"] == share(1, 12)
    assert found.earlier["digits light:16"] == OLD and "digits_proof light:16" not in found.earlier
    side = results.read("families_pictures", results.FOLDER)
    assert [bool(row.get("stale")) for row in side.counts] == [True, False]


def test_a_missing_row_is_proven_and_the_rest_says_where_it_is_from(folder, monkeypatch):
    edit(folder, lambda there: there["counts"].pop(1))
    assert run(monkeypatch) == ALL and families.proven == ALL[1:2]
    found = results.read("families", results.FOLDER)
    assert found.earlier["digits light:16"] == OLD
    assert found.earlier.keys() == {"digits light:16", "digits_proof light:16"}
    side = results.read("families_pictures", results.FOLDER)
    assert side.earlier.keys() == {"digits light:16", "digits_proof"}
    assert side.counts[1] == {
        "network": "digits_proof",
        "clean": share(12, 12),
        **dict.fromkeys(families.PICTURES),
        "light:16": share(3, 12),
    }


def test_what_was_proven_before_an_interruption_is_there(folder, monkeypatch):
    edit(folder, lambda there: there["counts"].clear())
    whole = families.certain

    def interrupted(name, family, data):
        if family == "light:32":
            raise KeyboardInterrupt
        return whole(name, family, data)

    monkeypatch.setattr(families, "certain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch)
    assert len(results.read("families", results.FOLDER).counts) == 1


@pytest.mark.parametrize("words", [["--images", "13"], ["--tiny"]])
def test_rows_of_another_number_of_images_are_not_lost(folder, monkeypatch, words):
    before = (folder / "families.json").read_bytes()
    with pytest.raises(SystemExit, match="12 images"):
        run(monkeypatch, *words)
    assert (folder / "families.json").read_bytes() == before
    with pytest.raises(SystemExit, match="no families"):
        run(monkeypatch, "--record", "families_pictures")


def test_without_a_name_nothing_is_kept_or_written(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(sys, "argv", ["benchmarks/families.py", "--images", "12"])
    assert families.main() == 0 and families.proven == ALL
    assert before == {path: path.read_bytes() for path in folder.iterdir()}
