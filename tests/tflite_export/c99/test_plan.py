import numpy as np
import pytest

from tflite_export.c99.plan import ALIGNMENT, Block, Overlap, plan_arena


def test_what_lives_at_once_lies_apart():
    rng = np.random.default_rng(0)
    for _ in range(100):
        blocks = []
        for i in range(rng.integers(1, 12)):
            first = int(rng.integers(0, 10))
            last = first + int(rng.integers(0, 4))
            blocks.append(Block(str(i), int(rng.integers(1, 200)), first, last))
        plan = plan_arena(blocks)
        for i, a in enumerate(blocks):
            assert plan.offsets[a] % ALIGNMENT == 0
            assert plan.offsets[a] + a.size <= plan.size
            for b in blocks[:i]:
                if a.first <= b.last and b.first <= a.last:
                    at, bt = plan.offsets[a], plan.offsets[b]
                    assert at + a.size <= bt or bt + b.size <= at
        assert plan.size >= _busiest(blocks)


def _busiest(blocks):
    return max(sum(b.size for b in blocks if b.first <= step <= b.last) for step in range(15))


@pytest.mark.parametrize("lead", [0, 8, 64])
def test_an_output_may_follow_its_input(lead):
    source, output = Block("in", 1000, 0, 1), Block("out", 1000, 1, 2)
    plan = plan_arena([source, output], [Overlap(source, output, lead)])
    assert plan.size == 1000 + lead
    assert plan.offsets[output] <= plan.offsets[source] - lead


def test_bytes_are_used_again():
    blocks = [Block(str(i), 100, i, i + 1) for i in range(10)]
    assert plan_arena(blocks).size == 200
