"""Transfer between linear models whose gradients are known."""

import numpy as np
import pytest
from attack_models import linear_model

from qrobust.attacks import (
    Budget,
    KerasTarget,
    fast_gradient,
    projected_gradient,
    transfer_matrix,
    transferred,
)
from qrobust.attacks.evaluation.transfer import show

BUDGET = Budget(30)


@pytest.fixture(scope="module")
def targets():
    """Two models that look at different halves of the picture, and the first one's double."""
    top = np.zeros((16, 2))
    top[:8, 0], top[:8, 1] = 1 / 64, -1 / 64
    bottom = top[::-1].copy()
    bias = np.array([-8 * 127.5, 8 * 127.5]) / 64
    models = {"top": top, "bottom": bottom, "double": 2 * top}
    return [
        KerasTarget(linear_model(w, bias * (2 if name == "double" else 1)), name=name)
        for name, w in models.items()
    ]


def test_transfer_follows_the_gradients(targets):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = np.where(y == 0, 140, 115)[:, None, None, None] + rng.integers(-4, 5, (60, 4, 4, 1))
    transfer = transfer_matrix(targets, targets, x, y, BUDGET, steps=5)
    assert transfer.images == 60
    np.testing.assert_array_equal(transfer.accuracy, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    np.testing.assert_allclose(transfer.cosine, [[1, 0, 1], [0, 1, 0], [1, 0, 1]], atol=1e-6)
    assert transfer.size[0]["l0"] == 8
    assert all(size["linf"] <= 30 for size in transfer.size)
    table = transfer.markdown()
    row = next(line for line in table.splitlines() if line.startswith("| bottom"))
    assert [cell.strip() for cell in row.split("|")][2:5] == ["100.0%", "0.0%", "100.0%"]
    assert "gradient cosine" in table


def level(mean):
    """Class 0 where the upper half's mean is above a level."""
    top = np.zeros((16, 2))
    top[:8, 0], top[:8, 1] = 1 / 64, -1 / 64
    bias = 8 * mean / 64
    return KerasTarget(linear_model(top, np.array([-bias, bias])), name=f"above {mean}")


@pytest.fixture(scope="module")
def bright():
    x = 140 + np.random.default_rng(1).integers(-4, 5, (20, 4, 4, 1))
    return x, np.zeros(20, int)


@pytest.mark.parametrize("source", [127.5, 90.5], ids=["boundary before", "boundary out of reach"])
def test_points_beyond_the_source_s_boundary_are_shown(source, bright):
    """The other boundary is 5 LSB behind the first, or the source never falls at all."""
    source, other = level(source), level(122.5)
    transfer = transfer_matrix([source], [other], *bright, BUDGET, steps=20)
    assert transfer.accuracy.item() == 0
    # What was shown, not what barely crossed the source's boundary: eight values by 30 LSB.
    assert transfer.size[0] == {"l0": 8, "l1": 240, "l2": pytest.approx(30 * 8**0.5), "linf": 30}


@pytest.mark.parametrize("surrogate", [127.5, 90.5, 160.5], ids=["before", "far", "errs already"])
def test_a_surrogate_s_strongest_points_reach_the_target(surrogate, bright):
    for attack in transferred(level(122.5), level(surrogate), *bright, BUDGET):
        assert attack.accuracy == 0


def test_the_strongest_point_fools_whatever_the_attack_did(bright):
    source = level(127.5)
    found = projected_gradient(source, *bright, BUDGET, stop=False)
    assert found.fallen.all()
    assert show(found, source, bright[1]).accuracy == 0
    assert (np.abs(found.strongest - found.clean).max(axis=(1, 2, 3)) == 30).all()


def test_other_attacks_may_craft(bright):
    def craft(source, x, y):
        return fast_gradient(source, x, y, BUDGET, stop=False)

    transfer = transfer_matrix([level(90.5)], [level(122.5)], *bright, BUDGET, craft=craft)
    assert transfer.accuracy.item() == 0


@pytest.mark.thorough
def test_quantized_activations_swallow_perturbations(digits, digits_model):
    target = KerasTarget(digits_model)
    transfer = transfer_matrix([target], [target], *digits, Budget(48), steps=5)
    assert 0.05 < transfer.shift[0] < 0.95


def test_models_that_agree_on_nothing_have_no_transfer(targets):
    x = np.full((4, 4, 4, 1), 200)
    with pytest.raises(ValueError, match="None of 4 images"):
        transfer_matrix(targets, targets, x, np.ones(4, int), BUDGET)
