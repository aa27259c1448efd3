"""Journals of proofs that were forged, damaged or cut off: none passes for a whole one."""

import base64

import numpy as np
import pytest

from qrobust.certify.run.journal import Journal

from .commands import REGIONS, audit, lines_of, qrobust, verify


def forged(work, tmp_path, region, change):
    """A journal whose chain is right and one of whose lines is not; False if it cannot apply."""
    good, bad = work / f"{region}.jsonl", tmp_path / "bad"
    verify(work, good, *REGIONS[region])  # resumed: done once
    header, *lines = lines_of(good)
    changed = False
    with Journal(bad, {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines:
            line = {k: v for k, v in line.items() if k != "chain"}
            if "closed" in line:
                journal.finish()
                continue
            if not changed:
                changed = change(line)
            journal.append(line)
    assert changed
    return bad


def claim_more(line):
    if line["status"] != "refuted":
        return False
    del line["counterexample"]
    line |= {"status": "proven", "label": line["predicted"], "tree": [-1]}
    return True


def other_label(line):
    if line["status"] != "proven":
        return False
    line["label"] = line["predicted"] = (line["label"] + 1) % 3
    return True


def outside(line):
    if line["status"] != "refuted":
        return False
    picture = np.random.default_rng(9).integers(0, 256, 16).astype("<i2")
    line["counterexample"]["input"] = base64.b64encode(picture.tobytes()).decode()
    return True


def no_label(line):
    line["label"] = line["predicted"] if line["label"] == -1 else -1
    return True


def no_tree(line):
    if line["status"] != "proven":
        return False
    line["tree"] = line["tree"][:-1]
    return True


@pytest.mark.ordinary(5)
@pytest.mark.parametrize("change", [claim_more, other_label, outside, no_label, no_tree])
@pytest.mark.parametrize("region", ["family", "box"])
def test_forged_lines_do_not_stand(work, tmp_path, capsys, region, change):
    if change is no_tree and region == "family":
        return  # families have none
    bad = forged(work, tmp_path, region, change)
    assert audit(work, bad) == 1
    assert "1 do not stand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": 10**9}, "members"),
        ({"boxes": -5}, "counts"),
        ({"radius": 99}, "unknown fields: radius"),
        ({"seconds": [1]}, "seconds"),
        ({"seconds": None}, "seconds"),
    ],
)
def test_what_nobody_checked_does_not_stand(work, tmp_path, capsys, changes, words):
    """Of cuts only the parts are proven again: all else that a line says must be known and fit."""

    def change(line):
        line |= changes
        return True

    bad = forged(work, tmp_path, "box", change)
    assert audit(work, bad) == 1
    out = capsys.readouterr().out
    assert words in out
    assert "1 do not stand" in out


def test_a_counterexample_of_a_box_is_no_member(work, tmp_path):
    def change(line):
        if line["status"] == "refuted":
            line["counterexample"]["name"] = "contrast 2"
        return line["status"] == "refuted"

    assert audit(work, forged(work, tmp_path, "box", change)) == 1


def test_a_header_with_more_to_say_does_not_stand(work, tmp_path, capsys):
    good, bad = tmp_path / "good", tmp_path / "bad"
    verify(work, good, *REGIONS["intervals"])
    header, *lines, _ = lines_of(good)
    header = {k: v for k, v in header.items() if k != "chain"} | {"reviewed": "by all"}
    with Journal(bad, header) as journal:
        for line in lines:
            journal.append({k: v for k, v in line.items() if k != "chain"})
        journal.finish()
    assert audit(work, bad) == 1
    assert "unknown fields: reviewed" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["data_sha256", "region", "kernels", "method", "index"])
def test_damaged_journals_are_not_attacked(work, tmp_path, capsys, field):
    """An image that is not there would be left out, and its proof not attacked."""
    verify(work, tmp_path / "good", *REGIONS["intervals"], "--limit", "2")
    header, line, *_ = lines_of(tmp_path / "good")
    header = {k: v for k, v in header.items() if k not in ("chain", field)}
    with Journal(tmp_path / "bad", header) as journal:
        line = {k: v for k, v in line.items() if k != "chain"}
        journal.append(line | ({"index": 99} if field == "index" else {}))
    attack = ("attack", work / "m.tflite", work / "d.npz", "--certificates", tmp_path / "bad")
    capsys.readouterr()
    assert qrobust(*attack, "--out", tmp_path / "r.json") == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")


def test_an_end_that_was_cut_off_is_told(work, tmp_path, capsys):
    good, bad = tmp_path / "good", tmp_path / "bad"
    verify(work, good, *REGIONS["intervals"])
    whole = good.read_bytes().splitlines(keepends=True)
    for kept, words in ((-1, "the closing line is missing"), (-3, "2 planned images are missing")):
        bad.write_bytes(b"".join(whole[:kept]))
        capsys.readouterr()
        assert audit(work, bad) == 0
        assert words in capsys.readouterr().out


def test_a_line_that_is_missing_is_found(work, tmp_path, capsys):
    good, bad = tmp_path / "good", tmp_path / "bad"
    verify(work, good, *REGIONS["intervals"])
    header, *lines, _ = lines_of(good)
    with Journal(bad, {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines[:4] + lines[5:]:
            journal.append({k: v for k, v in line.items() if k != "chain"})
        journal.finish()
    assert audit(work, bad) == 1
    assert "not the planned images" in capsys.readouterr().out
