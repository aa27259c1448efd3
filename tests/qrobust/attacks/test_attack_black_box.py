"""Black-box attacks on the exported digits network: strength, queries, what the file sees."""

import numpy as np
import pytest

from qrobust.attacks import L2, Budget, hop_skip_jump, random_search, spsa, square
from tflite_export import runtimes


def test_logits_are_those_of_the_reference_kernels(digits, digits_file):
    stored = (digits[0].astype(np.int16) - 128).astype(np.int8)
    (expected,) = runtimes.run("LiteRT reference", digits_file.file.content, [stored])
    received = digits_file.logits(digits[0])
    steps = np.diff(np.unique(received)).min()
    np.testing.assert_array_equal(
        np.diff(received, axis=1) / steps, np.diff(expected.astype(np.float32), axis=1)
    )


@pytest.mark.ordinary(4)
@pytest.mark.parametrize(
    ("attack", "options"),
    [
        (square, {"queries": 150}),
        (spsa, {"steps": 20}),
        (hop_skip_jump, {"iterations": 4}),
        (random_search, {"queries": 40}),
    ],
)
@pytest.mark.parametrize("budget", [Budget(56), Budget(400, L2)], ids=str)
def test_attacks_reduce_accuracy_and_count_every_query(
    attack, options, budget, digits, digits_file
):
    before = digits_file.queries
    found = attack(digits_file, *digits, budget, **options)
    assert digits_file.queries - before == found.queries.sum()
    if "queries" in options:
        assert (found.queries[~found.fallen] == options["queries"]).all()
    assert found.accuracy < (0.9 if attack is random_search else 0.8)
    labels = digits_file.logits(found.adversarial).argmax(axis=1)
    np.testing.assert_array_equal(labels != digits[1], found.fallen)
    again = attack(digits_file, *digits, budget, **options)
    np.testing.assert_array_equal(found.adversarial, again.adversarial)


def test_hop_skip_jump_shrinks_what_it_started_from(digits, digits_file):
    x, y = digits[0][:15], digits[1][:15]
    first = hop_skip_jump(digits_file, x, y, None, iterations=1)
    later = hop_skip_jump(digits_file, x, y, None, iterations=10)
    sizes = [
        np.linalg.norm((r.adversarial - r.clean).reshape(15, -1), axis=1)[r.moved].mean()
        for r in (first, later)
    ]
    assert later.fallen.all()
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.parametrize(
    ("attack", "options"),
    [
        (square, {"queries": 1}),
        (square, {"share": 0.0}),
        (spsa, {"samples": 3}),
        (hop_skip_jump, {"iterations": 0}),
        (random_search, {"queries": 0}),
    ],
)
def test_useless_settings_are_refused(attack, options, digits, digits_file):
    with pytest.raises(ValueError, match="Received"):
        attack(digits_file, *digits, Budget(8), **options)
