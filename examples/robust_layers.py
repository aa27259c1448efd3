"""Layers of this package in a Keras model: train with noise, quantize, export, certify.

    python examples/robust_layers.py [--epochs 15] [--out robust.tflite]

The network reads pixels 0 to 255. `GridNoise` works in training only; `Consistency` goes around
the whole model, inside another one, and is gone at export.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import qrobust
import tflite_export
from qrobust import datasets, layers
from qrobust.certify import Certifier, SmoothingSpec, attach_spec

SIGMA = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--out", default="robust.tflite")
    args = parser.parse_args()
    data = datasets.digits()
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(SIGMA, seed=0),
            keras.layers.Rescaling(1 / 256),
            layers.JacobianRegularized(keras.layers.Conv2D(16, 3, activation="relu"), 1e-4),
            keras.layers.Flatten(),
            keras.layers.Dense(10),  # logits: no softmax
        ]
    )
    network = qrobust.quantize(network, weight_bits=4, activation_bits=4)
    trained = keras.Sequential([keras.Input((8, 8, 1)), layers.Consistency(network, 5)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    trained.fit(data.train.x, data.train.y, epochs=args.epochs, verbose=2)

    exported = tflite_export.export(network, labels=data.class_names)
    print(tflite_export.check_parity(network, exported, data.test.x[:100]))
    spec = SmoothingSpec.for_model(exported.tflite, sigma=SIGMA, unit=data.unit)
    with open(args.out, "wb") as file:
        file.write(attach_spec(exported.tflite, spec))
    with Certifier(args.out) as certifier:
        for x, y in zip(data.test.x[:5], data.test.y[:5], strict=True):
            certificate = certifier.certify(x, n=1000)
            print(f"digit {y}: label {certificate.label}, radius {certificate.radius:.1f} LSB")


if __name__ == "__main__":
    main()
