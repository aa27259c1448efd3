"""What the benchmark of coverage says of networks that fail without any code of ours."""

import coverage as benchmark
import keras
import pytest

import qrobust


def broken_by_keras():
    """A convolution larger than its picture."""
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 5)])


def broken_by_us():
    return qrobust.quantize(keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3)]))


def sound():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])


def test_a_framework_that_fails_by_itself_is_named_with_its_error():
    assert benchmark.alone(broken_by_keras, {}).startswith("keras itself raises ValueError: ")


@pytest.mark.parametrize("build", [sound, broken_by_us])
def test_a_network_that_runs_or_that_our_code_refuses_is_not_put_on_the_framework(build):
    assert benchmark.alone(build, {}) == ""


def test_every_outcome_has_a_column():
    rows = [
        {"outcome": name, "integers": 0, "differing integers": 0, "runtimes": 0}
        for name in benchmark.OUTCOMES
    ]
    counted = benchmark.total("Keras", rows)
    assert all(counted[name] == 1 for name in benchmark.OUTCOMES)
