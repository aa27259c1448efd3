"""A box of its own for every image: proven, audited, attacked; what is off the grid is refused."""

import json

import numpy as np
import pytest

from qrobust.certify import CertifyError, load_data
from qrobust.certify.run.journal import Journal, read_lines
from qrobust.cli import main
from qrobust.verify import Box, Corners, LinfBall, Problem, load_corners, load_reach, verify
from qrobust.verify.corners import CORNERS, REACH

from .nets import file_of, picture_net


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    (folder / "m.tflite").write_bytes(file_of(picture_net(6)))
    rng = np.random.default_rng(0)
    ramps = rng.integers(0, 256, (8, 1, 1, 1)) + rng.integers(-25, 26, (8, 1, 4, 1))
    x = np.clip(ramps + rng.integers(-9, 10, (8, 4, 4, 1)), 0, 255).astype(np.uint8)
    np.savez(folder / "d.npz", x=x)
    np.save(folder / "low.npy", np.maximum(x.astype(int) - rng.integers(0, 9, x.shape), 0))
    np.save(folder / "high.npy", np.minimum(x.astype(int) + rng.integers(0, 9, x.shape), 255))
    reach = np.zeros((4, 4, 1), int)
    reach[:2] = [[9], [30], [0], [4]]
    np.save(folder / "reach.npy", reach)
    np.save(folder / "wide.npy", reach + 60)
    return folder


def run(work, command, *more):
    words = [command, work / "m.tflite", work / "d.npz", *more]
    if command == "audit":
        words = [command, more[0], work / "m.tflite", work / "d.npz", *more[1:]]
    return main([str(word) for word in words])


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(
    ("options", "region"),
    [(["--box", "low.npy", "high.npy"], CORNERS), (["--reach", "reach.npy"], REACH)],
)
def test_prove_audit_attack(work, tmp_path, monkeypatch, options, region):
    monkeypatch.chdir(work)
    out, more = tmp_path / "p", [*options, "--budget", "40"]
    assert run(work, "verify", "--out", out, *more, "--workers", 2, "--quiet") == 0
    header, *lines, _ = (line.value for line in read_lines(out))
    assert (header["region"], header["norm"]) == (region, "box") and len(lines) == 8
    corners = load_corners(*options[1:]) if region == CORNERS else load_reach(options[1])
    problem, data = Problem(str(work / "m.tflite")), load_data(work / "d.npz")
    for line in lines:
        x = problem.picture(data.x[line["index"]])
        alone = verify(problem, x, corners.of(line["index"], x, problem.domain), budget=40)
        assert (line["status"], line["label"]) == (alone.status, alone.label)
    assert {line["status"] for line in lines} & {"proven"}
    assert run(work, "audit", out, *options, "--quiet") == 0
    assert run(work, "audit", out, "--quiet") == 2
    attack = ["--certificates", out, "--out", tmp_path / "r.json"]
    assert run(work, "attack", *attack, *options) == 0
    assert json.loads((tmp_path / "r.json").read_text())["attacked"] > 0
    assert run(work, "attack", *attack, "--reach", "wide.npy") == 2


def test_a_proof_of_a_wider_box_fails_audit_and_attack(work, tmp_path, monkeypatch, capsys):
    """Planted: every image is said to be proven in boxes of 60 steps and more."""
    monkeypatch.chdir(work)
    good, bad = tmp_path / "good", tmp_path / "bad"
    options = ["--reach", "wide.npy", "--method", "intervals"]
    assert run(work, "verify", "--out", good, *options, "--quiet") == 0
    header, *lines, _ = (line.value for line in read_lines(good))
    with Journal(bad, {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines:
            line = {k: v for k, v in line.items() if k not in ("chain", "counterexample")}
            journal.append(line | {"status": "proven", "label": line["predicted"]})
        journal.finish()
    assert run(work, "audit", bad, "--reach", "wide.npy", "--quiet") == 1
    attack = ["--certificates", bad, "--out", tmp_path / "r.json", "--reach", "wide.npy"]
    assert run(work, "attack", *attack) == 1
    assert "defect: image" in capsys.readouterr().out


def test_a_reach_everywhere_the_same_is_a_ball(work):
    problem, data = Problem(str(work / "m.tflite")), load_data(work / "d.npz")
    reach = Corners(REACH, np.full((4, 4, 1), 7), np.full((4, 4, 1), 7))
    for index, image in enumerate(data.x):
        x = problem.picture(image)
        ours, ball = reach.of(index, x, problem.domain), LinfBall(7).box(x, problem.domain)
        assert isinstance(ours, Box)
        assert np.array_equal(ours.low, ball.low) and np.array_equal(ours.high, ball.high)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda low, high: (low - 300, high), "off the grid"),
        (lambda low, high: (low, high + 256), "off the grid"),
        (lambda low, high: (high + 1, high), "above its upper"),
        (lambda low, high: (np.minimum(low, 0), low * 0), "does not hold the image"),
        (lambda low, high: (low[:3], high[:3]), "has shape (3, 4, 4, 1)"),
        (lambda low, high: (low[0], high[0]), "has shape (4, 4, 1)"),
        (lambda low, high: (low + 0.5, high), "real corners lie off the grid"),
        (lambda low, high: (low[:0], high), "is empty"),
    ],
)
def test_boxes_off_the_grid_are_refused(work, tmp_path, capsys, change, words):
    low, high = change(np.load(work / "low.npy"), np.load(work / "high.npy"))
    np.save(tmp_path / "l.npy", low)
    np.save(tmp_path / "h.npy", high)
    box = ["--box", tmp_path / "l.npy", tmp_path / "h.npy"]
    assert run(work, "verify", "--out", tmp_path / "p", *box) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and words in error
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "low.npy", "high.npy", "--norm", "linf", "--radius", "1"], "one region"),
        (["--box", "low.npy", "high.npy", "--reach", "reach.npy"], "one region"),
        (["--reach", "reach.npy", "--radius", "3"], "go with --norm"),
        (["--reach", "nothing.npy"], "cannot read the box"),
        (["--reach", "reach.npy", "--method", "subsets"], "proves changes of pixels"),
        (["--reach", "reach.npy", "--budget", "0"], "at least 1"),
    ],
)
def test_bad_options(work, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(work)
    assert run(work, "verify", "--out", tmp_path / "p", *options) == 2
    assert words in capsys.readouterr().err


def test_a_negative_reach_and_a_missing_file_are_errors(tmp_path):
    np.save(tmp_path / "r.npy", np.full((2, 2), -1))
    with pytest.raises(CertifyError, match="holds -1"):
        load_reach(tmp_path / "r.npy")
    with pytest.raises(CertifyError, match="cannot read"):
        load_corners(tmp_path / "none.npy", tmp_path / "none.npy")
