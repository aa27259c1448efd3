"""Goes on from a float network that was trained elsewhere, on a GPU say: quantized, with noise.

    python examples/gpu_start.py START.keras DATA OUT.keras [--epochs 8] [--sigma 63.75]

DATA is a folder of one folder for each class, or an .npz with x and y. Train the start with
`layers.GridNoise` and `layers.Consistency` on any backend of Keras (benchmarks/gpu_train.py does);
the last epochs, here, teach it its grids: 4 bits, batch norms folded, statistics frozen at the
end. `qrobust export OUT.keras OUT.tflite --sigma 63.75` makes the file.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import qrobust
from qrobust import callbacks, datasets, layers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("start", metavar="START.keras")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("out", metavar="OUT.keras")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--sigma", type=float, default=63.75, help="of the noise, in LSB")
    parser.add_argument("--bits", type=int, default=4)
    args = parser.parse_args()
    start = keras.models.load_model(args.start)
    shape = start.input_shape[1:]
    data = datasets.own_data(args.data, shape)
    # Ranges of what the quantized network will see: pictures with noise.
    some = data.train.x[:512].astype("float32")
    noise = np.random.default_rng(0).normal(0, args.sigma, some.shape)
    seen = np.clip(np.rint(some + noise), 0, 255)
    inputs = keras.Input(shape)
    noisy = keras.Model(inputs, start(layers.GridNoise(args.sigma, seed=0)(inputs)))
    network = qrobust.quantize(noisy, args.bits, args.bits, calibrate=seen)
    trained = keras.Sequential([keras.Input(shape), layers.Consistency(network, 12)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    norms = any(isinstance(x, keras.layers.BatchNormalization) for x in start.layers)
    frozen = [callbacks.FreezeStatistics(max(args.epochs - 2, 0))] if norms else []
    trained.fit(data.train.x, data.train.y, epochs=args.epochs, callbacks=frozen, verbose=2)
    right = network.predict(data.test.x, verbose=0).argmax(1) == data.test.y
    print(f"{int(right.sum())} of {len(right)} held-out pictures right at {args.bits} bits")
    network.save(args.out)


if __name__ == "__main__":
    main()
