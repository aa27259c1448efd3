"""``qrobust verify`` from end to end: journal, resume, audit, cross-examination, bad input."""

import json

import numpy as np
import pytest

from qrobust.certify import load_data
from qrobust.verify.batch import ProofJob, prove_dataset
from qrobust.verify.cross_examine import cross_examine
from qrobust.verify.outcome import PROVEN
from qrobust.verify.problem import Problem
from qrobust.verify.proof_line import ProofLine
from qrobust.verify.regions import FamilyOf, LinfBall

from .commands import REGIONS, audit, lines_of, qrobust, verify
from .nets import file_of, picture_net


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
