from concurrent.futures import CancelledError, ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.file.model_file import KERNELS, load_model
from qrobust.certify.run.votes import VoteCounter
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

from ..tiny_models import linear

NOISE = noise_table("rounded_gaussian", Fraction(40), 255)


def smoothing(file):
    return GaussianSmoothing(NOISE, file.grid, file.coordinates)


def count(content, x, n, **options):
    file = load_model(content)
    tensor = file.grid.to_tensor(x, file.shape)
    with VoteCounter(file, smoothing(file), **options) as counter:
        return counter.count(tensor, key=(6, 2), purpose=Purpose.BOUND, start=3, count=n)


@pytest.fixture(scope="module")
def expected(weights, images):
    """The same votes in plain NumPy."""
    noise = NoiseSampler(NOISE, 20, low=0, high=0).noise((6, 2), Purpose.BOUND, 3, 500).astype(int)
    noisy = np.clip(images[0].ravel() + noise, 0, 255)
    logits = np.clip((noisy @ weights.T + 4) // 8, -128, 127)
    return np.bincount(logits.argmax(1), minlength=3)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 1},
        {"threads": 2},
        {"threads": 3, "batch_size": 7},
        {"batch_size": 1},
        {"batch_size": 1000},
        *({"kernels": k} for k in KERNELS),
    ],
    ids=str,
)
def test_votes_depend_on_nothing_but_the_stream(classifier, images, expected, options):
    votes = count(classifier, images[0], 500, **options)
    assert votes.dtype == np.int64
    np.testing.assert_array_equal(votes, expected)


def test_more_samples_extend_fewer(classifier, images):
    file = load_model(classifier)
    tensor = file.grid.to_tensor(images[1], file.shape)
    with VoteCounter(file, smoothing(file), threads=1) as counter:
        place = {"key": (0, 0), "purpose": Purpose.BOUND}
        parts = [counter.count(tensor, start=s, count=100, **place) for s in (0, 100)]
        whole = counter.count(tensor, start=0, count=200, **place)
    np.testing.assert_array_equal(sum(parts), whole)


def test_uint8_and_int8_files_agree(weights, images):
    files = [
        linear(weights, shape=(5, 4, 1), output_shift=3, dtype=dtype, zero_point=zero_point)
        for dtype, zero_point in (("int8", -128), ("uint8", 0))
    ]
    first, second = (count(file, images[0], 300, threads=1) for file in files)
    np.testing.assert_array_equal(first, second)


def test_ties_go_to_the_lowest_index():
    constant = linear(np.zeros((4, 3)), bias=[1, 5, 5, 2])
    votes = count(constant, np.array([1, 2, 3]), 100, threads=1)
    assert votes.tolist() == [0, 100, 0, 0]


def test_memory_does_not_grow_with_the_count(classifier, images, monkeypatch):
    submitted = []
    file = load_model(classifier)
    with VoteCounter(file, smoothing(file), threads=2, batch_size=1) as counter:
        submit = counter._pool.submit
        monkeypatch.setattr(counter._pool, "submit", lambda *a: submitted.append(a) or submit(*a))
        counter.count(
            file.grid.to_tensor(images[0], file.shape), key=(0, 0), purpose=Purpose.BOUND, count=50
        )
    assert len(submitted) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threads": 0}, "threads must be at least 1"), ({"batch_size": 0}, "batch_size must be")],
)
def test_bad_arguments(classifier, options, message):
    file = load_model(classifier)
    with pytest.raises(CertifyError, match=message):
        VoteCounter(file, smoothing(file), **options)


def test_closing_ends_a_count_under_way(classifier, images):
    file = load_model(classifier)
    tensor = file.grid.to_tensor(images[0], file.shape)
    counter = VoteCounter(file, smoothing(file), threads=2)
    with ThreadPoolExecutor(1) as other:
        endless = other.submit(
            counter.count, tensor, key=(0, 0), purpose=Purpose.BOUND, count=10**12
        )
        counter.close()
        with pytest.raises((CancelledError, RuntimeError)):
            endless.result(timeout=20)
