"""``qrobust verify`` from end to end: journal, resume, audit, cross-examination, bad input."""

import base64
import json

import numpy as np
import pytest

from qrobust.certify import load_data
from qrobust.certify.run.journal import Journal, read_lines
from qrobust.cli import main
from qrobust.verify.batch import ProofJob, prove_dataset
from qrobust.verify.cross_examine import cross_examine
from qrobust.verify.outcome import PROVEN
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine
from qrobust.verify.regions import FamilyOf, LinfBall

from .nets import file_of, picture_net

REGIONS = {
    "family": ["--family", "light:24"],
    "product": ["--family", "shift:1:border=zero*light:3"],
    "box": ["--norm", "linf", "--radius", "2", "--budget", "30"],
    "pixels": ["--norm", "l0", "--radius", "1"],
    "intervals": ["--norm", "linf", "--radius", "1", "--method", "intervals"],
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A file, and data whose labels are the file's own but for every fifth."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "m.tflite").write_bytes(file_of(picture_net(6)))
    rng = np.random.default_rng(0)
    ramps = rng.integers(0, 256, (12, 1, 1, 1)) + rng.integers(-25, 26, (12, 1, 4, 1))
    x = np.clip(ramps + rng.integers(-9, 10, (12, 4, 4, 1)), 0, 255).astype(np.uint8)
    y = Problem(str(folder / "m.tflite")).predictor.labels(x.astype(np.int16))
    y[::5] = (y[::5] + 1) % 3
    np.savez(folder / "d.npz", x=x, y=y)
    return folder


def qrobust(*arguments):
    return main([str(a) for a in arguments])


def verify(work, out, *more):
    return qrobust("verify", work / "m.tflite", work / "d.npz", "--out", out, "--quiet", *more)


def audit(work, out, *more):
    return qrobust("audit", out, work / "m.tflite", work / "d.npz", "--quiet", *more)


def lines_of(path):
    return [line.value for line in read_lines(path)]


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("region", REGIONS)
def test_prove_audit_and_attack(work, tmp_path, capsys, region):
    out = tmp_path / "p.jsonl"
    assert verify(work, out, *REGIONS[region], "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["images"] == 12 == figures["proven"] + figures["refuted"] + figures["unknown"]
    assert figures["proven"] > 0
    assert figures["certain"] < figures["proven"]  # a proof about a wrong label is a proof
    header, *lines, last = lines_of(out)
    assert last["closed"] == 12
    assert header["kind"] == "proof"
    assert header["alpha"] == "0"
    assert header["about"] == "the file's integer function"
    assert [line["index"] for line in lines] == list(range(12))
    for line in lines:
        assert (line["label"] == -1) == (line["status"] != "proven")
        assert ("counterexample" in line) == (line["status"] == "refuted")
    assert audit(work, out) == 0
    attack = ("attack", work / "m.tflite", work / "d.npz", "--certificates", out)
    assert qrobust(*attack, "--out", tmp_path / "r.json") == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["attacked"] == figures["proven"]
    assert report["defects"] == []
    if report["control"]:
        assert report["fooled"] > 0


def test_a_resumed_journal_equals_an_uninterrupted_one(work, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    verify(work, whole, *REGIONS["intervals"])
    job = ProofJob((work / "m.tflite").read_bytes(), "linf:1", "intervals")
    begun = prove_dataset(job, load_data(work / "d.npz"), out=cut)
    for _ in range(5):
        next(begun)
    begun.close()
    assert len(lines_of(cut)) == 6
    verify(work, cut, *REGIONS["intervals"], "--workers", "2")
    assert [line | {"seconds": 0} for line in lines_of(cut)] == [
        line | {"seconds": 0} for line in lines_of(whole)
    ]


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


def test_an_audit_without_the_model_says_so(work, tmp_path, capsys):
    out = tmp_path / "p"
    verify(work, out, "--family", "light:2", "--limit", "3")
    capsys.readouterr()
    assert qrobust("audit", out, "--offline") == 0
    assert "3 proofs: not checkable without the model" in capsys.readouterr().out
    assert qrobust("audit", out) == 2
    assert audit(work, out, "--sample", "2") == 2
    assert "about votes" in capsys.readouterr().err


def test_a_hole_in_a_proof_fails_the_attack(work):
    """Planted: every image is claimed to be proven; the attacks find those that are not."""
    problem = Problem(str(work / "m.tflite"))
    data = load_data(work / "d.npz")
    for region in (FamilyOf("light:60"), LinfBall(30)):
        labels = problem.predictor.labels(data.x.astype(np.int16))
        claimed = [
            ProofLine.from_json(
                {
                    "index": i, "label": int(c), "predicted": int(c), "status": PROVEN,
                    "inferences": 1, "boxes": 1,
                },
                problem.domain,
            )
            for i, c in enumerate(labels)
        ]  # fmt: skip
        found = cross_examine(problem, region, data, claimed)
        assert found.attacked == 12
        assert len(found.defects) > 3


def test_a_mask_restricts_a_box(work, tmp_path):
    mask = np.zeros((4, 4, 1), bool)
    mask[1:3, 1:3] = True
    np.save(tmp_path / "mask.npy", mask)
    options = ("--norm", "linf", "--radius", "40", "--budget", "30", "--limit", "6")
    out = tmp_path / "p"
    assert verify(work, out, *options, "--mask", tmp_path / "mask.npy") == 0
    assert audit(work, out, "--mask", tmp_path / "mask.npy") == 0
    assert audit(work, out) == 2
    attack = ["attack", work / "m.tflite", work / "d.npz", "--certificates", out]
    attack += ["--out", tmp_path / "r.json"]
    assert qrobust(*attack, "--mask", tmp_path / "mask.npy") == 0
    assert qrobust(*attack) == 2


def test_a_turned_mask_is_refused(tmp_path, capsys):
    """As many numbers, another place: rows would be taken for columns."""
    (tmp_path / "m.tflite").write_bytes(file_of(picture_net(6, channels=2)))
    np.savez(tmp_path / "d.npz", x=np.full((1, 4, 4, 2), 100, np.uint8))
    options = ("--norm", "linf", "--radius", "1", "--mask", tmp_path / "mask.npy")
    for shape, status in (((4, 4, 2), 0), ((1, 4, 4, 2), 0), ((2, 4, 4), 2), ((32,), 2)):
        np.save(tmp_path / "mask.npy", np.ones(shape, bool))
        out = tmp_path / f"p{len(shape)}{status}"
        assert verify(tmp_path, out, *options) == status
    assert "the mask" in capsys.readouterr().err


def test_another_executor_gives_the_same_lines(work, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    job = ProofJob((work / "m.tflite").read_bytes(), "light:9")
    with ThreadPoolExecutor(1) as executor:
        data = load_data(work / "d.npz")
        lines = list(prove_dataset(job, data, out=tmp_path / "a", executor=executor))
    here = list(prove_dataset(job, data, out=tmp_path / "b"))
    assert [a.to_json() | {"seconds": 0} for a in lines] == [
        b.to_json() | {"seconds": 0} for b in here
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one region"),
        (["--family", "light:3", "--norm", "linf"], "one region"),
        (["--family", "glow:3"], "unknown family"),
        (["--family", "light:3", "--radius", "3"], "--radius goes with"),
        (["--norm", "linf"], "--radius"),
        (["--norm", "linf", "--radius", "2.5"], "whole number"),
        (["--norm", "linf", "--radius", "2", "--budget", "0"], "at least 1"),
        (["--norm", "linf", "--radius", "2", "--method", "magic"], "unknown method"),
        (["--family", "light:3", "--method", "linear"], "is a family"),
        (["--family", "light:3", "--limit", "0"], "--limit"),
        (["--family", "light:3", "--workers", "0"], "--workers"),
        (["--family", "light:3", "--start", "99"], "--start"),
    ],
)
def test_bad_input_is_one_clear_line(work, tmp_path, capsys, options, message):
    assert verify(work, tmp_path / "p", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_another_file_or_other_data_are_refused(work, tmp_path, capsys):
    out = tmp_path / "p"
    verify(work, out, "--family", "light:2", "--limit", "3")
    other = tmp_path / "o.tflite"
    other.write_bytes(file_of(picture_net(5)))
    assert qrobust("audit", out, other, work / "d.npz") == 2
    assert "another model" in capsys.readouterr().err
    np.savez(tmp_path / "d.npz", x=np.zeros((3, 4, 4, 1), np.uint8))
    assert qrobust("audit", out, work / "m.tflite", tmp_path / "d.npz") == 2
    assert "another data" in capsys.readouterr().err
