"""Training with fixed statistics trains the function that is exported."""

import keras
import numpy as np
import pytest
from noisy_models import examples, noisy_model

from qrobust import layers, quantize
from qrobust.callbacks import FreezeStatistics, ReproducibleEpochs
from qrobust.layers.folded_batch_norm import FoldedBatchNorm

L = keras.layers


def compiled():
    normal = keras.initializers.RandomNormal(seed=2)
    hidden = L.Dense(6, use_bias=False, kernel_initializer=normal, name="hidden")
    norm = L.BatchNormalization(momentum=0.8)
    model = quantize(noisy_model(hidden, norm, L.ReLU()), 2, 4, seed=9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


def folded(model):
    (layer,) = (x for x in model._flatten_layers() if isinstance(x, FoldedBatchNorm))
    return layer


def values(variables):
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


class Record(keras.callbacks.Callback):
    """Statistics and weights of the folded layer after every epoch."""

    def on_train_begin(self, logs=None):
        self.statistics, self.weights = [], []

    def on_epoch_end(self, epoch, logs=None):
        layer = folded(self.model)
        self.statistics.append(values([layer.moving_mean, layer.moving_variance]))
        self.weights.append(values([layer.kernel, layer.gamma, layer.beta]))


def fit(model, *callbacks, **options):
    x, y = examples(24)
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
    return model.fit(x, y, callbacks=[*callbacks], **settings, **options)


def differ(some, others):
    return any(np.abs(a - b).max() > 0 for a, b in zip(some, others, strict=True))


def test_statistics_stop_and_weights_go_on():
    model, record = compiled(), Record()
    fit(model, FreezeStatistics(2), record, epochs=4)
    first, second, third, fourth = record.statistics
    assert differ(first, second) and not differ(second, third) and not differ(third, fourth)
    for weights in zip(record.weights[2], record.weights[3], strict=True):
        assert np.abs(weights[0] - weights[1]).max() > 0


def test_a_frozen_layer_trains_what_it_infers():
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 2, (8, 6, 6, 3)).astype("float32")
    layer = layers.Conv2DBatchNorm(4, 3)
    layer(x)
    layer.moving_mean.assign(rng.normal(0, 1, 4))
    assert differ([layer(x, training=True)], [layer(x, training=False)])
    layer.frozen = True
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))


@pytest.mark.thorough
@pytest.mark.parametrize("measured", [None, examples(24)[0]])
def test_a_training_that_resumes_in_a_frozen_epoch_goes_on(tmp_path, measured):
    def callbacks():
        return ReproducibleEpochs(), FreezeStatistics(1, measured)

    whole, broken = compiled(), compiled()
    fit(whole, *callbacks(), epochs=3)
    fit(broken, *callbacks(), epochs=2)
    broken.save(tmp_path / "checkpoint.keras")
    resumed = keras.models.load_model(tmp_path / "checkpoint.keras")
    fit(resumed, *callbacks(), epochs=3, initial_epoch=2)
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.thorough
def test_a_second_fit_without_it_moves_the_statistics():
    model, record = compiled(), Record()
    fit(model, FreezeStatistics(0), epochs=1)
    assert not folded(model).frozen
    fit(model, record, epochs=2)
    assert differ(*record.statistics)


def deep():
    """Three folded layers, quantized, with statistics that fit nothing."""
    inputs = keras.Input((6, 6, 2))
    x = inputs
    for seed in range(3):
        start = keras.initializers.RandomNormal(stddev=0.4, seed=seed)
        x = L.Conv2D(5, 3, use_bias=False, padding="same", kernel_initializer=start)(x)
        x = L.ReLU()(L.BatchNormalization()(x))
    model = keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))
    model = quantize(model, 4, 4, seed=1)
    rng = np.random.default_rng(1)
    for layer in folds(model):
        layer.moving_mean.assign(rng.normal(3, 2, 5))
        layer.moving_variance.assign(rng.uniform(0.01, 40, 5))
        layer.beta.assign(rng.normal(0, 1, 5))
        layer.gamma.assign(rng.uniform(0.5, 2, 5) * rng.choice([-1, 1], 5))
    return model


def folds(model):
    return [x for x in model._flatten_layers() if isinstance(x, FoldedBatchNorm)]


def farthest(model, x):
    """How far a layer's results in inference are from beta and gamma, in units of gamma."""
    far = []
    for layer in folds(model):
        z = keras.Model(model.inputs[0], layer.input)(x, training=False)
        y = keras.ops.convert_to_numpy(
            layer._linear(z, layer.folded_kernel()) + layer.folded_bias()
        )
        beta, gamma = values([layer.beta, layer.gamma])
        far.append(np.abs((y.mean((0, 1, 2)) - beta) / gamma).max())
        far.append(np.abs(y.std((0, 1, 2)) / np.abs(gamma) - 1).max())
    return max(far)


def test_measured_statistics_are_those_that_inference_sees():
    model = deep()
    x = np.random.default_rng(2).normal(0.3, 1, (64, 6, 6, 2)).astype("float32")
    assert farthest(model, x) > 2
    stop = FreezeStatistics(0, x)
    stop.set_model(model)
    stop.on_train_begin()
    model.compile("sgd", "mse")
    stop.on_epoch_begin(0)
    # What is left: the bias is rounded, and the last round scales a kernel of 4 bits anew.
    assert farthest(model, x) < 0.25
    before = values([layer.moving_mean for layer in folds(model)])
    stop.on_epoch_begin(1)
    assert not differ(before, values([layer.moving_mean for layer in folds(model)]))
    assert not any(layer.measuring for layer in folds(model))


def test_statistics_that_are_held_are_not_measured():
    model = deep()
    first, second, _ = folds(model)
    first.trainable, second.fixed = False, ("statistics",)
    before = values([first.moving_mean, second.moving_variance])
    model.compile("sgd", "mse")
    stop = FreezeStatistics(0, np.ones((4, 6, 6, 2), "float32"))
    stop.set_model(model)
    stop.on_train_begin()
    stop.on_epoch_begin(0)
    assert not differ(before, values([first.moving_mean, second.moving_variance]))


def halves(kernel):
    return keras.ops.round(kernel * 2) / 2


@pytest.mark.parametrize("gamma", [0, 1e-9, -1])
@pytest.mark.parametrize("kind", [layers.Conv2DBatchNorm, layers.DepthwiseConv2DBatchNorm])
def test_a_silent_channel_has_the_variance_of_its_own_kernel(kind, gamma):
    """Zero would scale its kernel by 1 / sqrt(epsilon), as soon as gamma learns."""
    x = np.random.default_rng(0).normal(0.3, 2, (16, 6, 6, 4)).astype("float32")
    start = keras.initializers.RandomNormal(seed=1)
    if kind is layers.Conv2DBatchNorm:
        layer = kind(4, 3, kernel_initializer=start, kernel_quantizer=halves)
    else:
        layer = kind(3, depthwise_initializer=start, kernel_quantizer=halves)
    layer(x)
    layer.gamma.assign([gamma] * 4)
    layer.moving_variance.assign([1e6] * 4)  # under which all of the kernel rounds to 0
    plain = keras.ops.convert_to_numpy(layer._linear(x, keras.ops.convert_to_tensor(layer.kernel)))
    layer.measuring = True
    layer(x, training=True)
    found = keras.ops.convert_to_numpy(layer.moving_variance)
    np.testing.assert_allclose(found, plain.var((0, 1, 2)), rtol=0.6 if gamma == -1 else 1e-4)


def test_one_example_tells_a_dense_layer_no_variance():
    model = compiled()
    before = values([folded(model).moving_variance])
    stop = FreezeStatistics(0, examples(1)[0])
    stop.set_model(model)
    stop.on_train_begin()
    stop.on_epoch_begin(0)
    assert not differ(before, values([folded(model).moving_variance]))


@pytest.mark.parametrize("nothing", [np.zeros((0, 4)), [], {"a": np.zeros((0, 4))}])
def test_measuring_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="holds no example"):
        FreezeStatistics(0, nothing)


@pytest.mark.parametrize("epoch", [-1, 1.5])
def test_epochs_are_counted_from_0(epoch):
    with pytest.raises(ValueError, match="counted from 0. Received"):
        FreezeStatistics(epoch)


def test_a_model_without_folded_batch_norm_is_refused():
    model = quantize(noisy_model(L.Dense(6)), 4, 4, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match="found no folded batch norm"):
        fit(model, FreezeStatistics(0), epochs=1)
