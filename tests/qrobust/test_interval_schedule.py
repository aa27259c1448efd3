"""Epsilon and kappa, batch by batch."""

import keras
import numpy as np
import pytest
from noisy_models import examples, noisy_model

from qrobust import layers
from qrobust.callbacks import IntervalSchedule
from qrobust.callbacks.interval_schedule import ramp


def wrapped():
    inputs = keras.Input((5,))
    layer = layers.IntervalBounds(noisy_model(sigma=0), 50.0)
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    return model, layer


def test_a_ramp_stays_rises_and_stays():
    value = ramp(start=1, end=3, warmup=2, epochs=4)
    assert [value(e) for e in (0, 1.9, 2, 3, 4, 6, 60)] == [1, 1, 1, 1.5, 2, 3, 3]
    assert ramp(start=0, end=5, warmup=0, epochs=0)(0) == 5
    with pytest.raises(ValueError, match="not negative"):
        ramp(start=0, end=5, warmup=-1, epochs=0)


def test_the_compiled_step_sees_every_batchs_values():
    """With a rate of 0, an epoch's loss is the mean over its batches' epsilons."""
    model, layer = wrapped()
    x, y = examples(32)
    schedule = IntervalSchedule(ramp(start=0, end=40, warmup=1, epochs=2), lambda epoch: 0.25)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    logs = model.fit(x, y, epochs=3, callbacks=[schedule], **options).history
    assert logs["epsilon"] == [0, 15, 35] and set(logs["kappa"]) == {0.25}
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for epoch, first in enumerate((None, 0, 20)):
        losses = []
        for batch in range(4):
            layer.epsilon = 0 if first is None else first + 5 * batch
            part = slice(8 * batch, 8 * batch + 8)
            outputs = layer(x[part], training=True)
            losses.append(float(crossentropy(y[part], outputs)) + float(sum(layer.losses)))
        np.testing.assert_allclose(logs["loss"][epoch], np.mean(losses), rtol=1e-4)
    assert logs["loss"][0] < logs["loss"][1] < logs["loss"][2]


def test_bad_schedules_are_refused():
    model = noisy_model()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    x, y = examples(4)
    with pytest.raises(ValueError, match="found no IntervalBounds layer"):
        model.fit(x, y, verbose=0, callbacks=[IntervalSchedule(lambda e: 1, lambda e: 1)])
    model, _ = wrapped()
    with pytest.raises(ValueError, match="kappa is a share"):
        model.fit(x, y, verbose=0, callbacks=[IntervalSchedule(lambda e: 1, lambda e: 2)])
