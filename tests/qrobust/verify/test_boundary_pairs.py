import numpy as np
import pytest

from qrobust.certify import load_data
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.cli import main
from qrobust.verify import Problem
from qrobust.verify.boundary_pairs import boundary_pair, on_the_way

from .nets import dense_net, file_of


def test_pairs_are_one_step_apart_and_differ_in_label():
    rng = np.random.default_rng(0)
    found = 0
    for net in range(5):
        problem = Problem(file_of(dense_net(net, inputs=5)))
        x = rng.integers(0, 256, (20, 5)).astype(np.int16)
        labels = problem.predictor.labels(x)
        for a, b, first, second in zip(x, x[1:], labels, labels[1:], strict=False):
            if first == second:
                with pytest.raises(CertifyError, match="no boundary"):
                    boundary_pair(problem, a, b)
                continue
            pair = boundary_pair(problem, a, b)
            assert np.abs(pair.inside - pair.outside).sum() == 1
            got = problem.predictor.labels(np.stack([pair.inside, pair.outside])).tolist()
            assert got == [pair.label, pair.other]
            assert pair.label == first != pair.other
            found += 1
    assert found > 20


def test_the_way_has_its_ends_and_its_steps():
    x, y = np.array([3, 9, 5], np.int16), np.array([5, 9, 1], np.int16)
    way = [on_the_way(x, y, k).tolist() for k in range(7)]
    assert way == [[3, 9, 5], [4, 9, 5], [5, 9, 5], [5, 9, 4], [5, 9, 3], [5, 9, 2], [5, 9, 1]]


def test_written_pairs_run_through_the_file(tmp_path, capsys):
    problem = Problem(file_of(dense_net(1, inputs=4)))
    (tmp_path / "m.tflite").write_bytes(problem.file.content)
    x = np.random.default_rng(1).integers(0, 256, (12, 4)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x=x)
    arguments = ["verify", tmp_path / "m.tflite", tmp_path / "d.npz", "--family", "light:60"]
    arguments += ["--out", tmp_path / "p", "--tests", tmp_path / "suite", "--quiet"]
    assert main([str(a) for a in arguments]) == 0
    assert "pairs" in capsys.readouterr().out
    data = load_data(tmp_path / "suite" / "boundary_pairs.npz")
    assert len(data) >= 2
    assert (problem.predictor.labels(data.x) == data.y).all()
    assert (data.y[::2] != data.y[1::2]).all()
    assert (np.abs(data.x[::2] - data.x[1::2]).sum(axis=1) == 1).all()


def test_nothing_refuted_is_an_error(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(file_of(dense_net(1, inputs=4)))
    np.savez(tmp_path / "d.npz", x=np.full((1, 4), 200, np.uint8))
    arguments = ["verify", tmp_path / "m.tflite", tmp_path / "d.npz", "--norm", "linf"]
    arguments += ["--radius", "0", "--out", tmp_path / "p", "--tests", tmp_path / "suite"]
    assert main([str(a) for a in arguments]) == 2
    assert "no image was refuted" in capsys.readouterr().err
