"""Several quantized networks as one integer file, and what the file certifies beside its members.

    python examples/ensemble.py A.keras B.keras --held-out HELD.npz --data DATA.npz --out O.tflite

Weights are learned on noisy copies of images that no member was trained on, and nothing is reported
on them. To certifier, audit and C the ensemble is a network like any other.
"""

import argparse
from pathlib import Path

import tflite_export
from qrobust.certify import Certifier, SmoothingSpec, attach_spec, load_data
from qrobust.ensembles import combine, learn_weights
from qrobust.load_keras import load_keras


def certified(tflite, data, *, sigma, samples, radius):
    """Images with their true class and a radius of at least so many LSB."""
    with Certifier(tflite, sigma=sigma, seed=0) as certifier:
        pairs = zip(data.x, data.y, strict=True)
        found = [(certifier.certify(x, n=samples, index=i), y) for i, (x, y) in enumerate(pairs)]
    return sum(one.label == y and one.radius >= radius for one, y in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("members", nargs="+", type=Path, metavar="MEMBER.keras")
    parser.add_argument("--held-out", required=True, metavar="HELD.npz", help="to learn from")
    parser.add_argument("--data", required=True, metavar="DATA.npz", help="to certify")
    parser.add_argument("--out", required=True, type=Path, metavar="OUT.tflite")
    parser.add_argument("--sigma", type=float, default=64, help="of the noise, in LSB")
    parser.add_argument("--samples", type=int, default=1000, help="noisy copies of each image")
    args = parser.parse_args()
    members = [load_keras(path) for path in args.members]
    held, data = load_data(args.held_out), load_data(args.data)
    learned = learn_weights(members, held.x, held.y, sigma=args.sigma)
    models = {str(path): member for path, member in zip(args.members, members, strict=True)}
    models["together"] = combine(members, learned.weights)
    print(f"weights {', '.join(map(str, learned.weights))}")
    for name, model in models.items():
        tflite = tflite_export.export(model).tflite
        spec = SmoothingSpec.for_model(tflite, sigma=args.sigma)
        tflite = attach_spec(tflite, spec)
        options = {"sigma": args.sigma, "samples": args.samples, "radius": args.sigma / 2}
        right = certified(tflite, data, **options)
        print(f"{name}: {right} of {len(data)} certified at {args.sigma / 2:g} LSB")
    args.out.write_bytes(tflite)


if __name__ == "__main__":
    main()
