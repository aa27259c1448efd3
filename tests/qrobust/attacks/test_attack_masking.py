"""Planted masked models are caught; an honest one is not."""

import keras
import pytest
from keras import ops

from qrobust.attacks import Budget, KerasTarget, masking_checks


def scaled(model):
    """Softmax saturates: the cross entropy's gradient is exactly zero."""
    return keras.Sequential([model, keras.layers.Rescaling(1e6)])


def rounded(model):
    """Rounding without a straight-through gradient."""
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: ops.round(x / 8) * 8), model]
    )


@pytest.mark.parametrize(
    ("plant", "caught_by"),
    [
        (None, set()),
        (scaled, {"gradients zero or not finite"}),
        (
            rounded,
            {
                "gradients zero or not finite",
                "black box beats white box",
                "unbounded attack leaves accuracy",
            },
        ),
    ],
    ids=["honest", "logits x 1e6", "rounding"],
)
def test_masking(plant, caught_by, digits, digits_model):
    target = KerasTarget(digits_model if plant is None else plant(digits_model))
    checks = masking_checks(target, *digits, Budget(48), steps=10, queries=60)
    masked = {check.name for check in checks if check.masked}
    assert caught_by <= masked
    assert bool(masked) == (plant is not None)
    assert len(checks) == 6
    assert all(0 <= v <= 1 for check in checks for v in check.numbers.values())
