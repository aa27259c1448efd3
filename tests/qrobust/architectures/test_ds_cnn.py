import keras
import numpy as np
import pytest

from qrobust.architectures import ds_cnn

BLOCK = [("DEPTHWISE_CONV_2D", (1, 3, 3, 64)), ("CONV_2D", (64, 1, 1, 64))]
KERNELS = [("CONV_2D", (64, 10, 4, 1)), *BLOCK * 4, ("FULLY_CONNECTED", (12, 64))]


def test_parameters(keras_kernels):
    model = ds_cnn()
    assert model.count_params() == 24_908
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 23_756
    assert ds_cnn(batch_norm=False).count_params() == 22_604
    assert keras_kernels(model) == KERNELS
    assert model.get_layer("block4_b_relu").output.shape == (None, 25, 5, 64)
    assert model.output_shape == (None, 12)


def test_dropout():
    drops = [layer for layer in ds_cnn().layers if isinstance(layer, keras.layers.Dropout)]
    assert [drop.rate for drop in drops] == [0.2, 0.4]
    # With seeds of their own, a training can be repeated.
    assert len({drop.seed for drop in drops} - {None}) == 2
    kinds = [type(layer) for layer in ds_cnn(dropout=None).layers]
    assert keras.layers.Dropout not in kinds


@pytest.mark.parametrize("dropout", [(0.2,), (0.2, 1.0), (-0.1, 0.2)])
def test_bad_dropout(dropout):
    with pytest.raises(ValueError, match="two rates"):
        ds_cnn(dropout=dropout)


def test_kernels_of_the_reference(mlcommons, tflite_kernels):
    assert tflite_kernels(mlcommons / "kws_ref_model.tflite") == KERNELS


def test_computes_what_the_reference_computes(mlcommons):
    import tensorflow as tf

    folder = str(mlcommons / "kws_ref_model")
    saved = tf.train.load_checkpoint(f"{folder}/variables/variables")
    model = ds_cnn(input_scale=None)
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        names = [w.name for w in layer.weights]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            names[0] = "depthwise_kernel"  # as Keras 2 called it
        keys = [f"layer_with_weights-{number}/{n}/.ATTRIBUTES/VARIABLE_VALUE" for n in names]
        layer.set_weights([saved.get_tensor(key) for key in keys])
    x = np.random.default_rng(0).normal(0, 10, (4, 49, 10, 1)).astype(np.float32)
    (wanted,) = tf.saved_model.load(folder).signatures["serving_default"](tf.constant(x)).values()
    # float32 sums of up to 576 terms in another order.
    np.testing.assert_allclose(keras.ops.softmax(model(x)), wanted, rtol=1e-3, atol=1e-6)
