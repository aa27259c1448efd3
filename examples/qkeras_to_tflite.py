"""A QKeras model to a fully integer .tflite, without any of the robustness parts.

    python examples/qkeras_to_tflite.py

Trains a small QKeras network on scikit-learn's digits twice: with QKeras's own activation
quantizer, which rounds halves to even, and with the one of qrobust, which rounds them up as the
exported integers do. Prints what each export says of itself and how many integers differ.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import qkeras

import tflite_export
from qrobust.datasets import digits
from qrobust.quantizers import QuantizedBits, QuantizedRelu


def network(relu, logits):
    weights = {
        "kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1),
        "bias_quantizer": qkeras.quantized_bits(8, 2, 1, alpha=1),
    }
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Rescaling(1 / 256),
            qkeras.QConv2D(16, 3, padding="same", activation=relu, name="conv1", **weights),
            keras.layers.MaxPooling2D(name="pool"),
            qkeras.QConv2D(32, 3, activation=relu, name="conv2", **weights),
            keras.layers.Flatten(name="flatten"),
            qkeras.QDense(10, activation=logits, name="logits", **weights),
            keras.layers.Softmax(),
        ],
        name="digits",
    )


def train(model, data):
    model.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(data.train.x.astype("float32"), data.train.y, epochs=15, verbose=0)
    _, accuracy = model.evaluate(data.test.x.astype("float32"), data.test.y, verbose=0)
    print(f"accuracy {accuracy:.1%} on {len(data.test.x)} held-out digits\n")


def main():
    data = digits()
    print("--- with qrobust's activation quantizers: exact")
    model = network(QuantizedRelu(4, 1), QuantizedBits(8, 4))
    train(model, data)
    exported = tflite_export.export(model, labels=data.class_names)
    print(exported.report)
    print(tflite_export.check_parity(model, exported, data.test.x))

    print("\n--- with QKeras's own: every runtime agrees, Keras differs on ties")
    stock = network("quantized_relu(4,1)", qkeras.quantized_bits(8, 4, 0, alpha=1))
    train(stock, data)
    print(tflite_export.export(stock, exact=False, inputs=data.test.x).report)


if __name__ == "__main__":
    main()
