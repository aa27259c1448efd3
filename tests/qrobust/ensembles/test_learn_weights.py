"""Weights from noisy images: the best of the convex problem, in integers."""

import numpy as np
import pytest
from scipy.special import logsumexp

from qrobust import cli
from qrobust.ensembles import combine, integer_weights, learn_weights
from qrobust.layers import GridNoise

from .digit_members import SIGMA, data, exported_members, members

# All of it trains: the ordinary run leaves it to the thorough one.
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def learned():
    train = data().train
    return learn_weights(members(), train.x[:200], train.y[:200], SIGMA, copies=2, seed=5)


def loss_of(factors, sigma=SIGMA, copies=2, seed=5):
    """The documented loss, from the members' own predictions, without their copies."""
    train = data().train
    noise = GridNoise(sigma, seed=seed)
    x = np.concatenate([np.asarray(noise(train.x[:200], training=True)) for _ in range(copies)])
    steps = [2.0 ** file.lowered.output_grids[0].exponent for file in exported_members()]
    z = sum(
        f * m.predict(x, verbose=0).astype(float) / step
        for f, m, step in zip(factors, members(), steps, strict=True)
    )
    y = np.tile(train.y[:200], copies)
    return float((logsumexp(z, axis=1) - z[np.arange(len(y)), y]).mean())


def test_no_step_from_the_factors_is_better(learned):
    least = loss_of(learned.factors)
    for member in range(3):
        for step in (-0.002, 0.002):
            moved = np.array(learned.factors)
            moved[member] = max(moved[member] + step, 0)
            assert loss_of(moved) >= least - 1e-9


def test_the_integers_are_in_proportion(learned):
    assert learned.weights == integer_weights(learned.factors)
    assert learned.losses["learned"] <= learned.losses["equal"] + 1e-3
    assert learned.losses["learned"] <= learned.losses["best member"] + 1e-3
    assert learned.copies == 400


def test_a_member_that_knows_nothing_gets_little(learned):
    """Its output layer is shuffled, so that its classes mean nothing."""
    import keras

    good, bad = members()[0], keras.models.clone_model(members()[0])
    bad.set_weights([np.roll(w, 3, axis=-1) for w in good.get_weights()])
    train = data().train
    found = learn_weights([good, bad], train.x[:200], train.y[:200], SIGMA, copies=1)
    assert found.weights[0] > 8 * found.weights[1]
    assert found.accuracies["learned"] > 0.6


def test_the_same_seed_gives_the_same_weights(learned):
    train = data().train
    again = learn_weights(members(), train.x[:200], train.y[:200], SIGMA, copies=2, seed=5)
    assert again == learned
    other = learn_weights(members(), train.x[:200], train.y[:200], SIGMA, copies=2, seed=6)
    assert other.factors != learned.factors


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"y": np.zeros(5, int)}, "one class an image"),
        ({"y": np.full(20, 10)}, "0 to 9"),
        ({"y": np.zeros(20)}, "as integers"),
        ({"x": np.zeros((20, 8, 8))}, "images of shape"),
        ({"x": data().train.x[:20] / 255.0}, "hold 0 to 1"),
        ({"sigma": -1}, "sigma"),
        ({"copies": 0}, "copies"),
    ],
)
def test_what_fits_no_member_is_refused(change, says):
    train = data().train
    given = {"x": train.x[:20], "y": train.y[:20], "sigma": SIGMA} | change
    with pytest.raises(ValueError, match=says):
        learn_weights(members(), **given)


def test_the_command_learns_what_python_learns(tmp_path, capsys):
    train = data().train
    np.savez(tmp_path / "held_out.npz", x=train.x[:200], y=train.y[:200])
    paths = [str(tmp_path / f"{number}.keras") for number in range(3)]
    for member, path in zip(members(), paths, strict=True):
        member.save(path)
    out, held_out = str(tmp_path / "all.keras"), str(tmp_path / "held_out.npz")
    arguments = ["--out", out, "--learn", held_out, "--copies", "2", "--seed", "5"]
    assert cli.main(["ensemble", *paths, *arguments]) == 0
    said = capsys.readouterr().out
    wanted = learn_weights(members(), train.x[:200], train.y[:200], SIGMA, copies=2, seed=5)
    for path, weight in zip(paths, wanted.weights, strict=True):
        assert f"{path}: weight {weight}" in said
    from qrobust.load_keras import load_keras

    made = load_keras(tmp_path / "all.keras").predict(train.x[:20], verbose=0)
    expected = combine(members(), wanted.weights).predict(train.x[:20], verbose=0)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--weights", "1", "2", "3"], "1 whole numbers"),
        (["--weights", "1", "--learn", "d.npz"], "not both"),
        (["--sigma", "3"], "--sigma goes with --learn"),
        (["--copies", "3"], "--copies goes with --learn"),
        (["--seed", "3"], "--seed goes with --learn"),
        (["--learn", "d.npz"], "d.npz"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, arguments, says):
    members()[0].save(tmp_path / "one.keras")
    words = ["ensemble", str(tmp_path / "one.keras"), "--out", str(tmp_path / "o.keras")]
    assert cli.main([*words, *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "o.keras").exists()
