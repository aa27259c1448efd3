"""Planted masked models are caught; an honest one is not. Every check fires, and does not."""

import keras
import numpy as np
import pytest
from keras import ops

from qrobust.attacks import Budget, KerasTarget, masking_checks
from qrobust.attacks.evaluation.masking import _verdicts


def scaled(model):
    """Softmax saturates: the cross entropy's gradient is exactly zero."""
    return keras.Sequential([model, keras.layers.Rescaling(1e6)])


def rounded(model):
    """Rounding without a straight-through gradient."""
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Lambda(lambda x: ops.round(x / 8) * 8), model]
    )


@pytest.mark.ordinary(1)
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
                "more steps do not help",
            },
        ),
    ],
    ids=["honest", "logits x 1e6", "rounding"],
)
def test_masking(plant, caught_by, digits, digits_model):
    target = KerasTarget(digits_model if plant is None else plant(digits_model))
    budget = Budget(48)
    masking = masking_checks(target, *digits, budget, steps=10, queries=60)
    masked = {check.name for check in masking.masked}
    assert caught_by <= masked
    assert bool(masked) == (plant is not None)
    assert len(masking.checks) == 6
    assert all(0 <= v <= 1 for check in masking.checks for v in check.numbers.values())
    assert [a.name.split(",")[0] for a in masking.attacks] == ["random", "Square", "PGD", "PGD"]
    assert all(attack.budget == budget for attack in masking.attacks)


def fell(*images):
    """bool[100]: the images that fell."""
    return np.isin(np.arange(100), images)


NONE, ALL, TEN = fell(), fell(*range(100)), fell(*range(10))
GOOD = {"zero": 0.0, "not_finite": 0.0}
HONEST = {
    "clean": fell(0, 1),
    "black": TEN,
    "blind": fell(0, 1, 2),
    "single": fell(*range(20)),
    "iterated": fell(*range(30)),
    "few": fell(*range(30)),
    "many": fell(*range(50)),
    "everything": ALL,
    "shares": GOOD,
}
# The checks, in their order.
BLACK, UNBOUNDED, STEPS, RANDOM, SINGLE, ZERO = range(6)


@pytest.mark.parametrize(
    ("change", "fires"),
    [
        ({}, set()),
        # Two of a hundred prove nothing, three do; what both found does not count.
        ({"black": fell(98, 99)}, set()),
        ({"black": fell(97, 98, 99)}, {BLACK}),
        ({"black": fell(*range(50))}, set()),
        # As many as the white box, but others: a difference of accuracies would be blind to it.
        ({"black": fell(*range(40, 90))}, {BLACK}),
        ({"blind": fell(98, 99)}, set()),
        ({"blind": fell(97, 98, 99)}, {RANDOM}),
        ({"everything": fell(*range(98))}, set()),
        ({"everything": fell(*range(97))}, {UNBOUNDED}),
        # Steps that lose; steps that gain nothing where others do; all done after few steps.
        ({"few": fell(*range(60))}, {STEPS}),
        ({"few": fell(*range(50)), "black": fell(*range(40))}, set()),
        (
            {"few": TEN, "many": TEN, "iterated": TEN, "single": TEN, "black": fell(*range(12))},
            set(),
        ),
        (
            {"few": TEN, "many": TEN, "iterated": TEN, "single": TEN, "black": fell(*range(20))},
            {BLACK, STEPS},
        ),
        # A small ball that holds nothing is honest; nothing in the widest ball is not.
        (
            {k: NONE for k in ("clean", "black", "blind", "single", "iterated", "few", "many")},
            set(),
        ),
        (
            {k: NONE for k in HONEST if k != "shares"},
            {UNBOUNDED, STEPS},
        ),
        ({"single": fell(*range(33)), "iterated": fell(*range(30))}, {SINGLE}),
        ({"single": fell(*range(32)), "iterated": fell(*range(30))}, set()),
        ({"shares": {"zero": 0.03, "not_finite": 0.03}}, {ZERO}),
        ({"shares": {"zero": 0.05, "not_finite": 0.0}}, set()),
    ],
)
def test_each_check_fires_on_its_sign_only(change, fires):
    checks = list(_verdicts(**(HONEST | change)))
    assert {i for i, check in enumerate(checks) if check.masked} == fires


def test_few_images_count_one_by_one():
    """Of ten images one proves nothing, though it is more than two in a hundred."""
    ten = {k: v if k == "shares" else v[:10] for k, v in HONEST.items()}
    for k in ("single", "iterated", "few", "many"):
        ten[k] = fell(0, 1)[:10]
    for black, fires in ((fell(0, 1, 2), False), (fell(0, 1, 2, 3), True)):
        checks = list(_verdicts(**(ten | {"black": black[:10]})))
        assert checks[BLACK].masked == fires
