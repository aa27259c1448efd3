"""Transfer between linear models whose gradients are known."""

import numpy as np
import pytest
from attack_models import linear_model

from qrobust.attacks import Budget, KerasTarget, transfer_matrix

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


def test_quantized_activations_swallow_perturbations(digits, digits_model):
    target = KerasTarget(digits_model)
    transfer = transfer_matrix([target], [target], *digits, Budget(48), steps=5)
    assert 0.05 < transfer.shift[0] < 0.95


def test_models_that_agree_on_nothing_have_no_transfer(targets):
    x = np.full((4, 4, 4, 1), 200)
    with pytest.raises(ValueError, match="None of 4 images"):
        transfer_matrix(targets, targets, x, np.ones(4, int), BUDGET)
