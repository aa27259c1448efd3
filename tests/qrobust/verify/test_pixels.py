"""Changes of pixels against enumeration of every content of every set of pixels."""

from itertools import combinations, product

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify import PixelChanges, Problem, pixel_bounds, verify
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN
from qrobust.verify.pixels import changed_pixels, freed, pixels_of, prove_changes

from .nets import dense_net, file_of, picture_net


def truth(problem, x, count, step=1):
    """Whether any content of any ``count`` numbers changes the label."""
    label = problem.predictor.labels(x[None])[0]
    values = np.arange(0, 256, step, dtype=np.int16)
    contents = np.array(list(product(values, repeat=count)), np.int16)
    for chosen in combinations(range(x.size), count):
        pictures = np.repeat(x.reshape(1, -1), len(contents), axis=0)
        pictures[:, list(chosen)] = contents
        if (problem.predictor.labels(pictures.reshape(-1, *x.shape)) != label).any():
            return REFUTED
    return PROVEN


def cases(images, *, inputs=4, shift=7):
    rng = np.random.default_rng(0)
    for net in range(images):
        problem = Problem(file_of(dense_net(net, inputs=inputs, shift=shift)))
        yield problem, rng.integers(0, 256, (inputs,)).astype(np.int16)


def test_one_pixel_equals_enumeration():
    seen = []
    for problem, x in cases(25):
        outcome = verify(problem, x, PixelChanges(1))
        assert outcome.status == truth(problem, x, 1)
        if outcome.counterexample is not None:
            assert changed_pixels(x, outcome.counterexample.picture) == 1
        seen.append(outcome.status)
    assert min(seen.count(PROVEN), seen.count(REFUTED)) >= 5


def test_two_pixels_are_never_proven_wrongly():
    """Every seventh value of both: enough to refute what could be refuted."""
    seen = []
    for problem, x in cases(16, inputs=6, shift=9):
        outcome = verify(problem, x, PixelChanges(2), budget=20_000)
        if outcome.status == PROVEN:
            assert truth(problem, x, 2, step=7) == PROVEN
        if outcome.counterexample is not None:
            assert 1 <= changed_pixels(x, outcome.counterexample.picture) <= 2
        seen.append(outcome.status)
    assert PROVEN in seen
    assert REFUTED in seen


def test_bounds_never_cross_and_improve_with_budget():
    met = 0
    for problem, x in cases(12):
        found = [pixel_bounds(problem, x, most=2, budget=b) for b in (30, 3000)]
        for bounds in found:
            if bounds.upper is not None:
                assert bounds.lower <= bounds.upper
                picture = bounds.counterexample.picture
                assert changed_pixels(x, picture) == bounds.upper
                label = problem.predictor.labels(picture[None])[0]
                assert label == bounds.counterexample.label != bounds.predicted
        little, much = found
        assert little.lower <= much.lower
        assert little.upper is None or much.upper <= little.upper
        met += much.meet
    assert met >= 6


def test_a_pixel_is_all_its_channels():
    problem = Problem(file_of(picture_net(0, channels=2)))
    x = np.random.default_rng(0).integers(0, 256, (4, 4, 2)).astype(np.int16)
    assert pixels_of(x) == 16
    box = freed(x, (5,), problem)
    assert box.volume == 256**2
    assert (box.low[1, 1] == 0).all()
    outcome = prove_changes(problem, x, 1, budget=3000)
    assert outcome.status in (PROVEN, REFUTED, UNKNOWN)


def test_out_of_budget_is_unknown():
    statuses = {verify(p, x, PixelChanges(2), budget=9).status for p, x in cases(12)}
    assert UNKNOWN in statuses


def test_sets_that_intervals_prove_are_charged_to_the_budget():
    """The hidden layer rounds to nothing, so that intervals prove every set at once."""
    problem = Problem(file_of(dense_net(0, inputs=8, shift=14)))
    x = np.full(8, 100, np.int16)
    assert verify(problem, x, PixelChanges(3), budget=17 + 56).status == PROVEN
    outcome = verify(problem, x, PixelChanges(3), budget=17 + 55)
    assert outcome.status == UNKNOWN
    assert outcome.inferences + outcome.boxes <= 17 + 55


@pytest.mark.parametrize("count", [0, 5])
def test_bad_counts(count):
    problem, x = next(cases(1))
    with pytest.raises(CertifyError):
        verify(problem, x, PixelChanges(count))


def test_other_methods_refuse():
    problem, x = next(cases(1))
    for method in ("enumeration", "branching", "intervals"):
        with pytest.raises(CertifyError, match="subsets"):
            verify(problem, x, PixelChanges(1), method)
