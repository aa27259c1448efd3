"""What ``model.predict`` is given."""

import keras
import numpy as np
import pytest

from tflite_export import runtimes
from tflite_export.inputs import batch_size, model_inputs
from tflite_export.parity import _predicted


def test_batches_are_equal_where_they_can_be():
    for examples in range(1, 2000):
        size = batch_size(examples)
        assert 1 <= size <= min(examples, 128)
        # As many batches as the largest size would need.
        assert -(-examples // size) == -(-examples // 128)
    assert [batch_size(n) for n in (0, 1, 100, 128, 129, 500, 4096)] == [
        1,
        1,
        100,
        128,
        65,
        125,
        128,
    ]


class Counted(keras.layers.Layer):
    calls = 0

    def call(self, x):
        Counted.calls += 1
        return x * 2


def test_a_hundred_examples_are_traced_once():
    model = keras.Sequential([keras.Input((3,)), Counted()])
    x = np.arange(300, dtype=np.float32).reshape(100, 3)
    Counted.calls = 0
    (y,) = _predicted(model, [x])
    np.testing.assert_array_equal(y, 2 * x)
    assert Counted.calls == 1


def test_a_runtime_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="Runtimes are LiteRT XNNPACK.*'foo'"):
        runtimes.missing("foo", b"")


PICTURES = keras.Sequential([keras.Input((4, 5, 1), name="x"), keras.layers.Flatten()])


@pytest.mark.parametrize("shape", [(7, 4, 5), (7, 4, 5, 1), (7, 4, 5, 1, 1)])
def test_a_last_axis_of_one_is_added_or_left_out_as_keras_does(shape):
    x = np.random.default_rng(0).random(shape).astype("float32")
    (array,) = model_inputs(PICTURES, x)
    np.testing.assert_array_equal(array, x.reshape(7, 4, 5, 1))
    np.testing.assert_array_equal(PICTURES(x), array.reshape(7, 20))


@pytest.mark.parametrize(
    "shape", [(), (7,), (4, 5), (7, 5, 4), (7, 4, 5, 3), (7, 20), (1, 7, 4, 5)]
)
def test_another_shape_is_echoed_before_keras_sees_it(shape):
    with pytest.raises(ValueError, match=r"given: input 'x' takes .*'examples', 4, 5, 1.*Received"):
        model_inputs(PICTURES, np.zeros(shape), what="given")
