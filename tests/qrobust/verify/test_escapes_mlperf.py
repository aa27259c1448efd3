"""Whole MLPerf-Tiny topologies that are not shipped trained: bounds hold under ascent.

ResNet-8 and DS-CNN are in `test_escapes`; here are MobileNetV1 (visual wake words) and the
autoencoder (anomalies), with random weights: bounds do not know what a network was trained for.
"""

import keras
import numpy as np
import pytest

from qrobust import architectures, quantize
from qrobust.verify.intervals import Interval, propagate
from qrobust.verify.search import Gradients
from tflite_export import export, reference
from tflite_export.graph import IntegerGraph

NETWORKS = {
    "mobilenet_v1": (architectures.mobilenet_v1, {"input_shape": (48, 48, 3)}),
    "autoencoder": (architectures.autoencoder, {}),
}


def quantized_graph(name):
    keras.utils.set_random_seed(1)
    build, options = NETWORKS[name]
    model = build(**options)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, *model.input_shape[1:])).astype("float32")
    return export(quantize(model, 4, 4, calibrate=x)).graph


def escapes(graph, radius, steps, outputs, narrow=0):
    """Numbers of all tensors outside their bounds while some outputs are pushed up and down."""
    rng = np.random.default_rng(radius)
    (source,), (output,) = graph.inputs, graph.outputs
    grid = source.grid
    x = rng.integers(grid.minimum, grid.maximum + 1, (1, *source.shape))
    low, high = np.maximum(x - radius, grid.minimum), np.minimum(x + radius, grid.maximum)
    bounds = propagate(graph, Interval(low, high))
    whole = IntegerGraph("all", graph.inputs, graph.tensors, graph.operators)
    aims = np.repeat(rng.choice(output.size, outputs, replace=False), 2)
    sign = np.tile([1.0, -1.0], outputs).reshape(-1, *(1 for _ in source.shape))
    points = np.where(rng.random((2 * outputs, *source.shape)) < 0.5, low, high).astype(float)
    outside = met = 0
    for step in range(steps):
        stored = np.rint(points).astype(np.int64)
        for tensor, value in zip(graph.tensors, reference.run(whole, stored), strict=True):
            ends = bounds[tensor]
            outside += int(((value < ends.low + narrow) | (value > ends.high - narrow)).sum())
            met += value.size
        rows = np.zeros((len(stored), 1, output.size))
        rows[np.arange(len(stored)), 0, aims] = 1
        rows = rows.reshape(len(stored), 1, *output.shape)
        slope = Gradients(graph, stored).to_input(output, rows, 0)[0][:, 0]
        points += sign * np.sign(slope) * 2 * radius * (1 - step / steps)
        points = np.clip(points, low, high)
    return outside, met


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_no_ascent_escapes(name):
    graph = quantized_graph(name)
    for radius in (1, 4):
        outside, met = escapes(graph, radius, 3, 2)
        assert met > 10_000
        assert outside == 0
    assert escapes(graph, 1, 1, 1, narrow=1)[0] > 0
