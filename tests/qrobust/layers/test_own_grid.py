"""The grid of an input: what noise or a quantizer says of it; pixels where nobody does."""

import keras
import pytest

from qrobust import layers, quantize
from qrobust.commands.inputs import load_for
from qrobust.layers.own_grid import own_grid

L = keras.layers


def network(*first):
    return keras.Sequential([keras.Input((4, 4, 1)), *first, L.Flatten(), L.Dense(3)])


def signed():
    return layers.GridNoise(4, exponent=-3, minimum=-128, maximum=127)


def test_noise_says_it_in_a_float_network_and_in_its_quantized_twin():
    for model in (network(signed()), quantize(network(signed()), 4, 4)):
        assert own_grid(model) == (-128, 127, 0.125)


def test_pixels_where_nothing_says_it():
    assert own_grid(network()) == (0, 255, 1.0)
    assert own_grid(quantize(network(L.Rescaling(1 / 256)), 4, 4)) == (0, 255, 1.0)


def test_noise_counts_where_a_layer_cannot_be_lowered():
    assert own_grid(network(signed(), L.UnitNormalization())) == (-128, 127, 0.125)


def test_pictures_are_brought_to_one_input(tmp_path):
    from PIL import Image

    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    assert load_for(tmp_path / "a.png", network()).x.tolist() == [[[[7]] * 4] * 4]
    with pytest.raises(ValueError, match="from -128 to 127"):
        load_for(tmp_path / "a.png", network(signed()))
    a, b = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    both = keras.Model([a, b], L.Dense(3)(L.Flatten()(L.Add()([a, b]))), name="two")
    with pytest.raises(ValueError, match="'two' has none of its own, or several"):
        load_for(tmp_path / "a.png", both)
