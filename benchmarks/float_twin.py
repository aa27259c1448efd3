"""Certified accuracy of an integer file beside that of its float twin, on the very same copies.

    python benchmarks/float_twin.py models/digits/model.tflite models/digits/float/model.keras
        models/digits/recipe.toml [--data DIR] [--images 300] [--n 2000] [--record NAME] [--tiny]

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
import results
from render import table
from tqdm import tqdm

from qrobust.callbacks import CertifiedAccuracy
from qrobust.certify import Certifier
from qrobust.certify.report.summary import Summary
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
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.n = 4, 100
    recipe = read_recipe(args.recipe)
    test = load_data(recipe, args.data).test
    x, y = test.x[: args.images], test.y[: args.images]
    radii, alpha = recipe.certification.radii, recipe.certification.settings.alpha

    started = time.perf_counter()
    with Certifier(args.tflite, sigma=recipe.noise, seed=recipe.seed) as certifier:
        certificates = [
            certifier.certify(image, n0=100, n=args.n, alpha=alpha, index=i, y=int(y[i]))
            for i, image in enumerate(tqdm(x, desc="integers", file=sys.stderr))
        ]
    integer = Summary(certificates).shares([str(r) for r in radii])
    between = time.perf_counter()
    model = keras.models.load_model(args.float_model)
    model.compile(jit_compile=False)
    callback = CertifiedAccuracy(
        x, y, radii=radii, sigma=recipe.noise, n0=100, n=args.n, alpha=alpha,
        seed=recipe.seed,
    )  # fmt: skip
    callback.set_model(model)
    float32 = callback.shares()
    ended = time.perf_counter()
    pairs = list(zip(radii, integer, float32, strict=True))
    rows = [
        {
            "radius (LSB)": f"{r:g}",
            "float": results.share(b.certified, b.images),
            "integers": results.share(a.certified, a.images),
            "points": f"{100 * (a.value - b.value):+.1f}",
        }
        for r, a, b in pairs
    ]
    print(table(rows))
    print(
        f"\n{len(x)} images, n = {args.n:,}, alpha = {alpha}; {between - started:.0f} s in "
        f"integers, {ended - between:.0f} s in float"
    )
    behind = [f"{r:g}" for r, a, b in pairs if a.value < b.value - POINT]
    print(f"more than a point behind at radii: {', '.join(behind) or 'none'}")
    results.record(
        args.record,
        counts=rows,
        models=[Path(args.tflite), Path(args.float_model)],
        data={f"{recipe.data.name}, the first {len(x)} for tests": x},
        seed=recipe.seed,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
