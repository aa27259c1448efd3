"""Networks in front of networks: one file, the integers of both one after the other."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust import architectures, layers
from qrobust.layers.input_noise import input_noise
from qrobust.quantization import companding, in_front
from qrobust.quantizers import QuantizedBits
from tflite_export import check_parity, export, reference

L = keras.layers
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1))


def network(seed=0, sigma=20):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(sigma, seed=seed),
            L.Rescaling(2**-8),
            L.Conv2D(4, 3, strides=2, activation="relu"),
            L.Flatten(),
            L.Dense(10),
        ],
        name="net",
    )
    return qrobust.quantize(model, 4, 4, calibrate=PIXELS)


def front(seed=1):
    keras.utils.set_random_seed(seed)
    model = architectures.denoiser((8, 8, 1), width=4)
    model.get_layer("residual").set_weights(
        [np.random.default_rng(0).normal(0, 0.1, (3, 3, 4, 1)), np.zeros(1)]
    )
    return qrobust.quantize(model, 4, {"pixels": 8, "*": 8}, calibrate=PIXELS)


def integers(model, pixels):
    file = export(model)
    (rows,) = reference.run(file.lowered.graph, np.asarray(pixels, np.int64) - 128)
    return rows - file.lowered.output_grids[0].zero_point


def test_one_file_is_the_two_files_one_after_the_other():
    first, second = front(), network()
    chained = in_front(first, second)
    between = integers(first, PIXELS)
    assert between.min() >= 0 and between.max() <= 255
    assert (between != PIXELS).any()
    assert np.array_equal(integers(chained, PIXELS), integers(second, between))
    parity = check_parity(chained, export(chained), PIXELS)
    assert all(not differ for differ in parity.differing.values())


def test_the_networks_noise_stays_out_and_the_originals_are_left_alone():
    second = network()
    chained = in_front(front(), second)
    inner = chained.layers[-1]
    assert input_noise(inner).sigma == (0, 0)
    assert input_noise(second).sigma == (20, 20)


def test_a_companding_stands_in_front_of_a_network():
    mapping, second = companding((8, 8, 1)), network()
    chained = in_front(mapping, second)
    assert np.array_equal(integers(chained, PIXELS), integers(second, integers(mapping, PIXELS)))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not export exactly"):
        in_front(architectures.denoiser((8, 8, 1)), network())
    with pytest.raises(ValueError, match="have to be the same"):
        in_front(companding((8, 8, 3)), network())
    signed = keras.Sequential(
        [keras.Input((8, 8, 1)), L.Conv2D(1, 1, padding="same"), L.Activation("linear")]
    )
    signed = qrobust.quantize(signed, 4, 4, calibrate=PIXELS)
    assert QuantizedBits(8, 0).grid() != export(network()).lowered.input_grids[0]
    with pytest.raises(ValueError, match="have to be the same"):
        in_front(signed, network())
