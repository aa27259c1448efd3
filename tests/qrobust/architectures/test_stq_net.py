import keras
import pytest

from qrobust.architectures import stq_net


def test_parameters():
    assert stq_net().count_params() == 420_842
    assert stq_net(batch_norm=False).count_params() == 418_794
    assert stq_net().output_shape == (None, 10)


def test_keywords():
    model = stq_net((49, 10, 1), 12)
    assert model.get_layer("flatten").output.shape == (None, 6 * 1 * 128)
    assert model.output_shape == (None, 12)


def test_is_a_plain_chain():
    for layer in stq_net().layers[1:]:
        assert isinstance(layer.input, keras.KerasTensor), layer.name


def test_too_small_for_three_halvings():
    with pytest.raises(ValueError, match=r"at least 8.*\(7, 10, 1\)"):
        stq_net((7, 10, 1))
