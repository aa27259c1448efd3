"""Intervals in training against `qrobust.verify`'s on the exported integers: equal, exactly."""

import keras
import numpy as np
import pytest
from exact_models import Q, T, randomized, relu, wide

from qrobust import layers
from qrobust.layers.interval_arithmetic import Ends, last_dense, propagate
from qrobust.verify import intervals as exact
from tflite_export import export

L = keras.layers
SHAPE = (6, 6, 2)


def stacked(*hidden):
    return keras.Sequential(
        [keras.Input(SHAPE), layers.GridNoise(9), L.Rescaling(1 / 256), *hidden]
    )


def qconv(filters, kernel=3, **options):
    from qkeras import QConv2D

    return QConv2D(filters, kernel, **Q, **options)


def qdense(units):
    from qkeras import QDense

    return QDense(units, **Q)


def residual():
    inputs = keras.Input(SHAPE)
    x = L.Rescaling(1 / 256)(layers.GridNoise(0)(inputs))
    x = relu()(qconv(3)(x))
    y = wide()(layers.Conv2DBatchNorm(3, 3, padding="same", **T)(x))
    x = relu(4, 2)(L.Add()([wide()(qconv(3, 1)(x)), y]))
    x = wide()(layers.IntegerGlobalAveragePooling2D()(x))
    return keras.Model(inputs, wide(5)(qdense(3)(x)))


NETWORKS = {
    "convolutions": lambda: stacked(
        qconv(4), relu(), qconv(3, strides=2, padding="same"), relu(3, 2), L.Flatten(),
        qdense(5), wide(),
    ),
    "folded": lambda: stacked(
        layers.Conv2DBatchNorm(4, 3, **Q), relu(),
        layers.DepthwiseConv2DBatchNorm(3, padding="same", **Q), relu(4, 2),
        L.MaxPooling2D(2), L.Flatten(),
        layers.DenseBatchNorm(4, **Q), relu(4, 2), qdense(3), wide(4),
    ),
    "penalized": lambda: stacked(
        layers.JacobianRegularized(qconv(4), 1e-3), relu(2, 1), L.ZeroPadding2D(1), L.Flatten(),
        layers.JacobianRegularized(qdense(3), 1e-3), wide(),
    ),
    "residual": residual,
}  # fmt: skip


def boxes(rng, count, reach):
    x = rng.integers(0, 256, (count, *SHAPE))
    return np.maximum(x - reach, 0), np.minimum(x + reach, 255)


def on_integers(graph, low, high):
    """Ends of the output of the exported graph, in the model's units."""
    (source,), (output,) = graph.inputs, graph.outputs
    zero = source.grid.zero_point
    found = exact.propagate(graph, exact.Interval(low + zero, high + zero))[output]
    grid = output.grid
    return [(end - grid.zero_point) * 2.0**grid.exponent for end in (found.low, found.high)]


def in_training(model, low, high):
    found = propagate(model, Ends(*(np.float32(end) for end in (low, high))))
    return [np.asarray(found.low, float), np.asarray(found.high, float)]


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(2))
def test_training_sees_the_exact_intervals_of_the_exported_integers(name, seed):
    model = randomized(NETWORKS[name](), seed)
    graph = export(model).graph
    widths = []
    for reach in (0, 3, 20, 80):
        low, high = boxes(np.random.default_rng(seed), 6, reach)
        ends = in_training(model, low, high)
        for a, b in zip(ends, on_integers(graph, low, high), strict=True):
            np.testing.assert_array_equal(a, b)
        widths.append((ends[1] - ends[0]).mean())
        if reach == 0:
            np.testing.assert_array_equal(ends[0], np.asarray(model(np.float32(low))))
    assert widths[0] == 0 < widths[-1]  # not saturated, not constant


def test_intervals_of_rounded_weights_are_no_others(monkeypatch):
    """Planted: bounds that forget that the kernel is quantized."""
    from qrobust.layers import interval_arithmetic

    monkeypatch.setattr(
        interval_arithmetic,
        "effective_kernel",
        lambda layer: keras.ops.convert_to_tensor(layer.kernel),
    )
    model = randomized(NETWORKS["convolutions"](), 0)
    low, high = boxes(np.random.default_rng(0), 6, 9)
    exact_ends = on_integers(export(model).graph, low, high)
    assert (in_training(model, low, high)[1] != exact_ends[1]).any()


def test_falling_scales_and_norms_turn_ends_round():
    inputs = keras.Input((3,))
    norm = L.BatchNormalization()
    model = keras.Model(inputs, norm(L.Rescaling(-0.5, 1.0)(layers.GridNoise(0)(inputs))))
    norm.gamma.assign([1.0, -2.0, 0.0])
    norm.moving_variance.assign([1.0, 4.0, 9.0])
    low, high = np.float32([[0, 10, 20]]), np.float32([[5, 10, 40]])
    ends = propagate(model, Ends(low, high))
    corners = [np.asarray(model(x, training=False)) for x in (low, high)]
    np.testing.assert_array_equal(np.asarray(ends.low), np.minimum(*corners))
    np.testing.assert_array_equal(np.asarray(ends.high), np.maximum(*corners))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (L.Softmax(name="odd"), "'odd' .Softmax. has no interval bounds"),
        (L.Activation("softmax", name="odd"), "'odd': no interval bounds through"),
        (L.Dense(2, activation="gelu", name="odd"), "'odd': no interval bounds through"),
        (L.LayerNormalization(name="odd"), "'odd' .LayerNormalization. has no interval bounds"),
    ],
)
def test_an_operation_without_bounds_is_refused_by_name(layer, says):
    model = keras.Sequential([keras.Input((4,)), layers.GridNoise(0), layer, L.Dense(2)])
    with pytest.raises(ValueError, match=says):
        layers.IntervalBounds(model, 1.0)


def test_the_dense_layer_of_the_logits_is_found_behind_its_quantizer():
    model = NETWORKS["convolutions"]()
    assert last_dense(model) is model.layers[-2]
    model = NETWORKS["penalized"]()
    assert last_dense(model) is model.layers[-2].layer
    assert last_dense(stacked(qconv(2), L.Flatten(), relu())) is None
