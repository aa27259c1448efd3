"""A QKeras model to a fully integer .tflite, without any of the robustness parts.

    python examples/qkeras_to_tflite.py [--epochs 15]

QKeras's own activation quantizers round halves to even, the exported integers round them up:
`qrobust.adopt` says what it changes. With the quantizers of qrobust nothing has to change.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import qkeras

import qrobust
import tflite_export
from qrobust import datasets
from qrobust.quantizers import QuantizedBits, QuantizedRelu


def network(relu, logits):
    weights = {
        "kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1),
        "bias_quantizer": qkeras.quantized_bits(8, 2, 1, alpha=1),
    }
    shape = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 256)]
    conv = qkeras.QConv2D(16, 3, padding="same", activation=relu, **weights)
    dense = qkeras.QDense(10, activation=logits, **weights)
    pool = [keras.layers.MaxPooling2D(), keras.layers.Flatten()]
    return keras.Sequential([*shape, conv, *pool, dense, keras.layers.Softmax()])


def train(model, data, epochs):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.train.x.astype("float32"), data.train.y, epochs=epochs, verbose=0)
    _, accuracy = model.evaluate(data.test.x.astype("float32"), data.test.y, verbose=0)
    print(f"accuracy {accuracy:.1%} on {len(data.test.x)} held-out digits")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    epochs, data = parser.parse_args().epochs, datasets.digits()
    print("--- with qrobust's activation quantizers: exact as it is")
    model = network(QuantizedRelu(4, 1), QuantizedBits(8, 4))
    train(model, data, epochs)
    exported = tflite_export.export(model, labels=data.class_names)
    print(exported.report, tflite_export.check_parity(model, exported, data.test.x), sep="\n")
    print("\n--- with QKeras's own: adopted")
    stock = network("quantized_relu(4,1)", qkeras.quantized_bits(8, 4, 0, alpha=1))
    train(stock, data, epochs)
    adopted = qrobust.adopt(stock, data.test.x)
    print(adopted, tflite_export.export(adopted.model).report, sep="\n")


if __name__ == "__main__":
    main()
