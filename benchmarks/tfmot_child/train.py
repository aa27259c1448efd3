"""8-bit quantization-aware training by tfmot, in a Python of its own: never imported by ours.

    PYTHON train.py ARCHITECTURE DATA.npz OUT.tflite [--start FLOAT.h5] [--float-steps N]
        [--steps N] [--seed S]

ARCHITECTURE is ``resnet8`` (then ``--start`` is the float network, ``pretrainedResnet.h5`` of
mlcommons/tiny) or ``ds_cnn``, built here and trained in float first. DATA.npz holds ``x`` and ``y``
of the training set. The file is what TensorFlow's own converter makes of the trained model, with
The float model is written beside it, as ``OUT.tflite.h5``.
"""

import argparse
import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

_REPRESENTATIVE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", choices=("resnet8", "ds_cnn"))
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--start")
    parser.add_argument("--float-steps", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    with np.load(args.data) as data:
        x, y = data["x"].astype(np.float32), data["y"].astype(np.int64)
    classes = int(y.max()) + 1
    if args.architecture == "resnet8":
        model = without_softmax(keras.models.load_model(args.start, compile=False))
    else:
        model = ds_cnn(x.shape[1:], classes)
        fit(model, x, y, args.float_steps, 1e-3, args.seed)
    model.save(f"{args.out}.h5")
    quantized = tfmot.quantization.keras.quantize_model(model)
    fit(quantized, x, y, args.steps, 1e-4, args.seed + 1)
    with open(args.out, "wb") as file:
        file.write(converted(quantized, x))


def fit(model, x, y, steps, rate, seed):
    """Plain ``fit`` on logits for so many batches of 64."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    stream = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).repeat()
    model.fit(stream.batch(64), steps_per_epoch=steps, epochs=1, verbose=0)


def without_softmax(model):
    """The same network up to its logits."""
    last = model.layers[-1]
    if last.get_config().get("activation") != "softmax":
        return model
    last.activation = keras.activations.linear
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def ds_cnn(shape, classes):
    """MLPerf Tiny's DS-CNN: a 10 x 4 convolution and four separable blocks of 64 channels."""
    inputs = keras.Input(shape)

    def block(y, layer):
        return keras.layers.ReLU()(keras.layers.BatchNormalization()(layer(y)))

    y = block(inputs, keras.layers.Conv2D(64, (10, 4), strides=2, padding="same"))
    for _ in range(4):
        y = block(y, keras.layers.DepthwiseConv2D(3, padding="same"))
        y = block(y, keras.layers.Conv2D(64, 1))
    y = keras.layers.AveragePooling2D(y.shape[1:3])(y)
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(y)))


def converted(model, x):
    """What the stock converter makes of it."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in x[:_REPRESENTATIVE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


if __name__ == "__main__":
    main()
