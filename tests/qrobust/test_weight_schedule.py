"""Weights of the defences' terms, epoch by epoch."""

import keras
import numpy as np
import pytest
from noisy_models import examples, noisy_model

from qrobust import layers, quantize
from qrobust.callbacks import WeightSchedule

L = keras.layers


def wrapped(kind, **options):
    inputs = keras.Input((5,))
    layer = kind(noisy_model(), 1.0, **options)
    return keras.Model(inputs, layer(inputs)), layer


@pytest.mark.parametrize("kind", [layers.Consistency, layers.Macer, layers.JacobianRegularized])
def test_the_compiled_step_sees_every_epochs_weight(kind):
    """With a rate of 0 and the same draws, the loss is linear in the weight."""
    model, layer = wrapped(kind)
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(True))
    x, y = examples(16)
    weights = [1.0, 0.0, 3.0]
    seeds = [v for v in model.non_trainable_variables if v.path.endswith("generator_state")]
    before = [keras.ops.convert_to_numpy(v).copy() for v in seeds]

    def rewind(epoch, logs=None):
        for variable, value in zip(seeds, before, strict=True):
            variable.assign(value)

    callbacks = [
        WeightSchedule(lambda epoch: weights[epoch]),
        keras.callbacks.LambdaCallback(on_epoch_begin=rewind),
    ]
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    logs = model.fit(x, y, epochs=3, callbacks=callbacks, **options).history
    assert logs["loss_weight"] == weights and layer.weight == 3.0
    one, none, three = logs["loss"]
    if kind is not layers.Macer:  # whose term is in the gradient, not in the value
        assert abs(one - none) > 1e-4
        np.testing.assert_allclose(three - none, 3 * (one - none), rtol=1e-3)


def test_macers_gradient_follows_its_weight():
    x, y = examples(16)
    moves = []
    for weight in (0.0, 50.0):
        model, layer = wrapped(layers.Macer)
        layer.weight = weight
        model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(True))
        kernel = layer.layer.layers[-1].kernel
        start = keras.ops.convert_to_numpy(kernel).copy()
        model.fit(x, y, batch_size=16, verbose=0)
        moves.append(keras.ops.convert_to_numpy(kernel) - start)
    assert np.abs(moves[0] - moves[1]).max() > 1e-3


def test_the_weight_is_saved_and_survives_quantization(tmp_path):
    model, layer = wrapped(layers.Consistency, copies=3, entropy=0.25)
    layer.weight = 0.75
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras").get_layer(layer.name)
    assert (loaded.weight, loaded.copies, loaded.entropy) == (0.75, 3, 0.25)
    assert quantize(model, 4, 4).get_layer(layer.name).weight == 0.75


def test_bad_schedules_are_refused():
    model = noisy_model()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    x, y = examples(4)
    with pytest.raises(ValueError, match="found no LossWeight layer"):
        model.fit(x, y, verbose=0, callbacks=[WeightSchedule(lambda epoch: 1.0)])
    model, _ = wrapped(layers.Consistency)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    with pytest.raises(ValueError, match="weight of epoch 0 is not negative"):
        model.fit(x, y, verbose=0, callbacks=[WeightSchedule(lambda epoch: -1.0)])
    with pytest.raises(ValueError, match="found no Macer layer"):
        model.fit(x, y, verbose=0, callbacks=[WeightSchedule(lambda e: 1.0, kind=layers.Macer)])
