"""Pixel bounds of a data set: never crossing, resumed, drawn, audited, and right by brute force."""

import itertools
import json

import numpy as np
import pytest

from qrobust.certify import load_data, read_lines
from qrobust.certify.run.journal import Journal
from qrobust.cli import main
from qrobust.verify import Problem
from qrobust.verify.bounds_journal import bound_dataset, global_bounds, read_steps

from .nets import dense_net, file_of

IMAGES, BUDGET = 6, 4600


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds")
    (folder / "m.tflite").write_bytes(file_of(dense_net(9, inputs=16)))
    x = np.random.default_rng(9).integers(0, 256, (IMAGES, 16)).astype(np.uint8)
    np.savez(folder / "d.npz", x=x)
    return folder


def run(work, out, *more):
    words = ["verify", work / "m.tflite", work / "d.npz", "--out", out, "--pixel-bounds", 2]
    return main([str(word) for word in [*words, "--budget", BUDGET, "--quiet", *more]])


def audit(work, out):
    return main([str(w) for w in ("audit", out, work / "m.tflite", work / "d.npz", "--quiet")])


@pytest.fixture(scope="module")
def whole(work):
    assert run(work, work / "whole.jsonl", "--plot", work / "bounds.png") == 0
    return work / "whole.jsonl"


def test_bounds_never_cross_and_never_get_worse(work, whole, capsys):
    steps, before = read_steps(whole), {}
    assert [(s.round, s.image) for s in steps] == list(itertools.product(range(3), range(IMAGES)))
    for step in steps:
        old = before.get(step.image)
        assert step.upper is None or 1 <= step.lower <= step.upper
        if old is not None:
            assert step.lower >= old.lower
            assert old.upper is None or step.upper <= old.upper
        before[step.image] = step
    assert any(s.lower > 1 for s in steps) and any(not s.open for s in steps)
    assert (work / "bounds.png").read_bytes().startswith(b"\x89PNG")
    points = global_bounds(steps, IMAGES, 16)
    assert [p[0] for p in points] == sorted(p[0] for p in points)
    assert all(a[1] <= b[1] and a[2] >= b[2] for a, b in itertools.pairwise(points))
    assert all(low <= high for _, low, high in points)
    assert run(work, whole, "--json") == 0  # nothing left to do
    shown = json.loads(capsys.readouterr().out)
    assert (shown["mean_lower"], shown["mean_upper"]) == points[-1][1:]


def test_a_single_pixel_by_brute_force(work, whole):
    """Where the upper bound is 1 some pixel does it; where the lower is 2 none of 4,096 does."""
    problem, data = Problem(str(work / "m.tflite")), load_data(work / "d.npz")
    for step in {s.image: s for s in read_steps(whole)}.values():
        x = data.x[step.image].astype(np.int16)
        pictures = np.repeat(x[None], 16 * 256, axis=0)
        rows = np.arange(16 * 256)
        pictures.reshape(-1, 16)[rows, rows // 256] = rows % 256
        flips = (problem.predictor.labels(pictures) != step.label).any()
        assert flips == (step.upper == 1) == (step.lower == 1)


def test_resumed_equals_uninterrupted(work, whole, tmp_path):
    problem, data = Problem(str(work / "m.tflite")), load_data(work / "d.npz")
    begun = bound_dataset(problem, data, out=tmp_path / "cut", images=IMAGES, most=2, budget=BUDGET)
    for _ in range(9):
        next(begun)
    begun.close()
    assert len(read_steps(tmp_path / "cut")) == 9
    assert run(work, tmp_path / "cut") == 0
    same = [
        [line.value | {"seconds": 0} for line in read_lines(path)]
        for path in (whole, tmp_path / "cut")
    ]
    assert same[0] == same[1]


def test_audit_takes_every_step_again_and_finds_a_forged_bound(work, whole, tmp_path, capsys):
    assert audit(work, whole) == 0
    header, *lines, _ = (line.value for line in read_lines(whole))
    for name in ("lower", "upper", "witness"):
        bad, changed = tmp_path / str(len(list(tmp_path.iterdir()))), False
        with Journal(bad, {k: v for k, v in header.items() if k != "chain"}) as journal:
            for line in lines:
                line = {k: v for k, v in line.items() if k != "chain"}
                if not changed and line["upper"] is not None and line["upper"] > 1:
                    forged = {"lower": line["lower"] + 1, "upper": line["upper"] - 1}
                    line, changed = line | {name: forged.get(name)}, True
                journal.append(line)
            journal.finish()
        assert changed
        assert audit(work, bad) == 1
        assert "1 do not stand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index": 77}, "is not round"),
        ({"image": 99}, "is not round"),
        ({"seconds": [1]}, "seconds"),
        ({"lower": "1"}, "whole numbers"),
        ({"certified": 9}, "unknown"),
    ],
)
def test_what_is_no_step_is_refused(work, whole, tmp_path, capsys, change, words):
    header, *lines, _ = (line.value for line in read_lines(whole))
    with Journal(tmp_path / "bad", {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in [lines[0] | change, *lines[1:]]:
            journal.append({k: v for k, v in line.items() if k != "chain"})
    assert audit(work, tmp_path / "bad") == 2
    assert words in capsys.readouterr().err
    attack = ["attack", work / "m.tflite", work / "d.npz", "--out", tmp_path / "r.json"]
    assert main([str(w) for w in [*attack, "--certificates", tmp_path / "bad"]]) == 2


def test_steps_that_were_cut_off_are_told(work, whole, tmp_path, capsys):
    (tmp_path / "cut").write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:5]))
    assert audit(work, tmp_path / "cut") == 0
    assert "4 steps, 0 do not stand; 14 planned steps are missing" in capsys.readouterr().out


def test_lower_bounds_are_attacked_and_a_planted_one_fails(work, whole, tmp_path, capsys):
    words = ["attack", work / "m.tflite", work / "d.npz", "--out", tmp_path / "r.json"]
    assert main([str(w) for w in [*words, "--certificates", whole]]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["attacked"] > 0 and report["fooled"] > 0 and report["defects"] == []
    header, *lines, _ = (line.value for line in read_lines(whole))
    with Journal(tmp_path / "bad", {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines:
            line = {k: v for k, v in line.items() if k != "chain"}
            if line["upper"] is not None:
                line["lower"] = line["upper"] + 1
            journal.append(line)
        journal.finish()
    assert main([str(w) for w in [*words, "--certificates", tmp_path / "bad"]]) == 1
    assert "defect: image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--family", "light:3"], "--family does not go"),
        (["--radius", "1"], "--radius does not go"),
        (["--workers", "2"], "leave out --workers"),
        (["--pixel-bounds", "0"], "1 to 16 pixels, received 0"),
        (["--pixel-bounds", "17"], "1 to 16 pixels, received 17"),
        (["--budget", "0"], "at least 1"),
        (["--limit", "0"], "1 to 6 images, received 0"),
    ],
)
def test_bad_options(work, tmp_path, capsys, options, words):
    assert run(work, tmp_path / "j", *options) == 2
    assert words in capsys.readouterr().err


def test_a_plot_without_bounds_is_refused(work, tmp_path, capsys):
    words = ["verify", work / "m.tflite", work / "d.npz", "--out", tmp_path / "j"]
    assert main([str(w) for w in [*words, "--family", "light:1", "--plot", "p.png"]]) == 2
    assert "--pixel-bounds" in capsys.readouterr().err
