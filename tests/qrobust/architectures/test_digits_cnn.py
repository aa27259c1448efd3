import keras
import numpy as np
import pytest

from qrobust.architectures import digits_cnn


def test_parameters():
    model = digits_cnn()
    assert model.count_params() == 15_658
    assert model.output_shape == (None, 10)


@pytest.mark.thorough
def test_learns_the_digits():
    from qrobust.datasets import digits

    data = digits()
    keras.utils.set_random_seed(0)
    model = digits_cnn()
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(data.train.x.astype(np.float32), data.train.y, batch_size=64, epochs=8, verbose=0)
    logits = np.asarray(model(data.test.x.astype(np.float32)))
    assert np.mean(logits.argmax(1) == data.test.y) > 0.9
