"""Certified accuracy of an integer file beside that of its float twin, on the very same copies.

    python benchmarks/float_twin.py models/digits/model.tflite models/digits/float/model.keras
        models/digits/recipe.toml [--data DIR] [--images 300] [--n 2000]

``FLOAT.keras`` is what ``float.toml`` beside a recipe trains, or what a recipe with a float phase
leaves as ``LOG/float.keras``. The claim to meet, of Lin et al. 2021 on integer smoothing: no radius
at which integers certify a point less than floats; the last line says where that fails. Both
classify the same noisy copies (same seed, same streams), n fresh ones for the bound after 100 for
the choice of the class, at the recipe's alpha.
"""

import argparse
import sys
import time
from pathlib import Path

import keras
from qrobust.training.card import certified_accuracy
from tabulate import tabulate
from tqdm import tqdm

from qrobust.callbacks import CertifiedAccuracy
from qrobust.certify import Certifier
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data

POINT = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tflite")
    parser.add_argument("float_model", metavar="FLOAT.keras")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--n", type=int, default=2000)
    args = parser.parse_args()
    recipe = read_recipe(args.recipe)
    test = load_data(recipe, args.data).test
    x, y = test.x[: args.images], test.y[: args.images]
    radii, alpha = recipe.certification.radii, recipe.certification.alpha

    started = time.perf_counter()
    with Certifier(args.tflite, sigma=recipe.defence.sigma, seed=recipe.seed) as certifier:
        certificates = [
            certifier.certify(image, n0=100, n=args.n, alpha=alpha, index=i, y=int(y[i]))
            for i, image in enumerate(tqdm(x, desc="integers", file=sys.stderr))
        ]
    integer = [certified_accuracy(certificates, r) for r in radii]
    between = time.perf_counter()
    model = keras.models.load_model(args.float_model)
    model.compile(jit_compile=False)
    callback = CertifiedAccuracy(
        x, y, radii=radii, sigma=recipe.defence.sigma, n0=100, n=args.n, alpha=alpha,
        seed=recipe.seed,
    )  # fmt: skip
    callback.set_model(model)
    float32 = callback.certify()
    ended = time.perf_counter()
    rows = [
        {
            "radius (LSB)": r,
            "integers": f"{100 * a:.1f} %",
            "float": f"{100 * b:.1f} %",
            "points": f"{100 * (a - b):+.1f}",
        }
        for r, a, b in zip(radii, integer, float32, strict=True)
    ]
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
    print(
        f"\n{len(x)} images, n = {args.n:,}, alpha = {alpha}; {between - started:.0f} s in "
        f"integers, {ended - between:.0f} s in float"
    )
    behind = [f"{r:g}" for r, a, b in zip(radii, integer, float32, strict=True) if a < b - POINT]
    print(f"more than a point behind at radii: {', '.join(behind) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
