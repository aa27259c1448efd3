"""The step of logits: fine between the largest, whatever happens far below."""

import numpy as np

from qrobust.quantization.ranges import integer_bits, logits_bits


def labels_that_change(logits, integer):
    step = 2.0 ** (integer - 7)
    rounded = np.clip(np.floor(logits / step + 0.5), -128, 127)
    return int(np.count_nonzero(rounded.argmax(-1) != logits.argmax(-1)))


def test_logits_far_below_the_largest_do_not_cost_its_step():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 0.4, (4000, 5))
    logits[np.arange(4000), rng.integers(0, 5, 4000)] -= 20
    fine, plain = logits_bits(logits, 8), integer_bits(logits, 8, signed=True)
    assert fine < plain
    assert labels_that_change(logits, fine) < 0.5 * labels_that_change(logits, plain)


def test_saturated_logits_are_worse_than_coarse_ones():
    logits = np.array([[5.0, 4.5, 0.0], [0.0, 7.2, 7.0]])
    assert logits_bits(logits, 8) == 3
    assert logits_bits(np.zeros((3, 4)), 8) == 0
