"""Denoised smoothing: a denoiser in front of a network that was never trained with noise.

    python benchmarks/denoised.py [--sigma 32] [--epochs 10] [--images 300] [--n 1000]
        [--network NET.keras --beside NOISY.keras --data DIR] [--record NAME] [--tiny]

After Salman et al. 2020: any classifier gets a certificate, here as one exact integer file of
both. The denoiser (4-bit weights, 8-bit activations) is trained by plain ``fit`` on the mean
squared error of pixels, then on ("stability") that the fixed network says of the denoised copy what
it says of the clean picture; beside them the network alone, and one of the same kind that was
trained with the noise. On the digits, trained here, or on CIFAR-10 with networks that are given.
Clopper-Pearson, alpha .001; the row of a network alone shows what the denoiser is for.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import results
from render import table

import qrobust
from qrobust import architectures, datasets, layers
from qrobust.certify import Certifier
from qrobust.load_keras import load_keras
from qrobust.quantization import in_front
from qrobust.training.apply_defence import defend
from tflite_export import export

SEED = 0
SHARES = (0, 0.5, 1, 1.5)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sigma", type=float, default=32)
    parser.add_argument("--epochs", type=int, default=10, help="of every phase")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--width", type=int, default=16, help="channels of the denoiser")
    parser.add_argument("--network", type=Path, help="never trained with noise")
    parser.add_argument("--beside", type=Path, help="trained with noise")
    parser.add_argument("--data", help="folder of CIFAR-10, for --network")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.epochs, args.images, args.n, args.width = 1, 2, 100, 4
    if args.network is None:
        data = datasets.digits(SEED)
        network, noisy = (classifier(data.train, sigma, args) for sigma in (0, args.sigma))
    else:
        data = datasets.cifar10(args.data)
        network = load_keras(args.network)
        noisy = None if args.beside is None else load_keras(args.beside)
    front = denoiser(data.train, args)
    models = {"the network alone": network, "denoiser (pixels) in front": in_front(front, network)}
    models["denoiser (stability) in front"] = stable(front, network, data.train, args)
    if noisy is not None:
        models["trained with noise instead"] = noisy
    rows = [row(name, model, data.test, args) for name, model in models.items()]
    print(table(rows))
    given = [path for path in (args.network, args.beside) if path is not None]
    results.record(
        args.record,
        counts=rows,
        models=given,
        data={f"test, the first {args.images}": data.test.x[: args.images]},
        seed=SEED,
    )
    return 0


def classifier(train: Any, sigma: float, args: argparse.Namespace) -> Any:
    """The digits' network, with 4 bits, trained under noise or without."""
    keras.utils.set_random_seed(SEED)
    model = defend(architectures.digits_cnn(width=8, batch_norm=False), sigma=sigma, seed=SEED)
    fit(model, train.x, train.y, args.epochs, 3e-3)
    model = qrobust.quantize(model, 4, 4, calibrate=train.x[:300])
    return fit(model, train.x, train.y, args.epochs, 1e-3)


def fit(model: Any, x: Any, y: Any, epochs: int, rate: float) -> Any:
    """Plain ``compile`` and ``fit`` on classes."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(x.astype("float32"), y, epochs=epochs, batch_size=64, verbose=0)
    return model


def denoiser(train: Any, args: argparse.Namespace) -> Any:
    """The front, trained to give the pixels back."""
    keras.utils.set_random_seed(SEED)
    plain = architectures.denoiser(train.x.shape[1:], width=args.width)
    model = defend(plain, sigma=args.sigma, seed=SEED)
    pixels = train.x.astype("float32")
    some = np.asarray(layers.GridNoise(args.sigma, seed=1)(pixels[:300], training=True))
    for phase, rate in (("float", 3e-3), ("quantized", 1e-3)):
        if phase == "quantized":
            model = qrobust.quantize(model, 4, {"pixels": 8, "*": 8}, calibrate=some)
        # In units of 1, not of pixel steps, or the first steps of Adam are off.
        model.compile(
            keras.optimizers.Adam(rate),
            loss=squared,
        )
        model.fit(pixels, pixels, epochs=args.epochs, batch_size=64, verbose=0)
    return model


def squared(wanted: Any, given: Any) -> Any:
    """Mean squared error on the [0, 1] scale."""
    return keras.losses.mean_squared_error(wanted / 256, given / 256)


def stable(front: Any, network: Any, train: Any, args: argparse.Namespace) -> Any:
    """Both in one, the front trained on: the network's own clean answers are the classes."""
    chained = in_front(front, network)
    chained.layers[-1].trainable = False
    pixels = train.x.astype("float32")
    answers = network.predict(pixels, batch_size=256, verbose=0).argmax(1)
    return fit(chained, pixels, answers, args.epochs, 1e-3)


def row(name: str, model: Any, test: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Accuracy and certificates of one exact file."""
    exported = export(model)
    x, y = test.x[: args.images], test.y[: args.images]
    with Certifier(exported.tflite, sigma=str(args.sigma), classes=10, seed=SEED) as certifier:
        clean = sum(certifier.classify(image) == label for image, label in zip(x, y, strict=True))
        found = [
            certifier.certify(image, n0=100, n=args.n, alpha="0.001", index=i)
            for i, image in enumerate(x)
        ]
    cells = {
        f"certified at {share * args.sigma:g}": results.share(
            sum(
                c.label == label and c.radius >= share * args.sigma
                for c, label in zip(found, y, strict=True)
            ),
            len(x),
        )
        for share in SHARES
    }
    size = f"{len(exported.tflite):,}"
    return {"file": name, "bytes": size, "clean": results.share(clean, len(x)), **cells}


if __name__ == "__main__":
    sys.exit(main())
