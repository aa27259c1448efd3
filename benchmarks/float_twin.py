"""Certified accuracy of an integer file beside that of its float twin, on the very same copies.

    python benchmarks/float_twin.py models/digits/model.tflite models/digits/float/model.keras
        models/digits/recipe.toml [--data DIR] [--images 300] [--n 2000]
        [--radii LSB ...] [--sequential] [--record NAME] [--tiny]

``FLOAT.keras`` is what ``float.toml`` beside a recipe trains, or what a recipe with a float phase
leaves as ``LOG/float.keras``. The claim to meet, of Lin et al. 2021 on integer smoothing: no radius
at which integers certify a point less than floats; the last line says where that fails. Both
classify the same noisy copies (same seed, same streams), n fresh ones for the bound after 100 for
the choice of the class, at the recipe's alpha. Points: integers minus float, with the exact 95 %
interval of the paired difference over images. ``--sequential``: one sequential test for every
radius above 0, of at most n copies.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import results
from grid.paired import paired_interval
from numpy.typing import NDArray
from render import table
from tqdm import tqdm

from qrobust import keras_certifier
from qrobust.certify import Certifier
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data

POINT = 1.0


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
    parser.add_argument("--radii", type=float, nargs="+", help="in LSB; default: the recipe's")
    parser.add_argument("--sequential", action="store_true", help="a sequential test a radius")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.n = 4, 100
    recipe = read_recipe(args.recipe)
    radii, alpha = args.radii or recipe.certification.radii, recipe.certification.settings.alpha
    if args.sequential and min(radii) <= 0:
        raise SystemExit(f"--sequential tests radii above 0: give --radii without {min(radii):g}")
    test = load_data(recipe, args.data).test
    x, y = test.x[: args.images], test.y[: args.images]

    settings: dict[str, Any] = {"n0": min(100, args.n), "n": args.n, "alpha": alpha}
    model = keras.models.load_model(args.float_model)
    started = time.perf_counter()
    with Certifier(args.tflite, sigma=recipe.noise, seed=recipe.seed) as certifier:
        integers = certified(certifier, x, y, settings, radii, sequential=args.sequential)
    between = time.perf_counter()
    twin = keras_certifier(model, sigma=recipe.noise, seed=recipe.seed)
    floats = certified(twin, x, y, settings, radii, sequential=args.sequential)
    ended = time.perf_counter()
    rows, behind = [], []
    for radius, a, b in zip(radii, integers, floats, strict=True):
        points, low, high = (100 * v for v in paired_interval(a, b))
        rows.append(
            {
                "radius (LSB)": f"{radius:g}",
                "float": results.share(int(b.sum()), len(b)),
                "integers": results.share(int(a.sum()), len(a)),
                "points": f"{points:+.1f} ({low:+.1f} to {high:+.1f})",
            }
        )
        if points < -POINT:
            behind.append(f"{radius:g}")
    print(table(rows))
    print(
        f"\n{len(x)} images, n = {args.n:,}, alpha = {alpha}; {between - started:.0f} s in "
        f"integers, {ended - between:.0f} s in float"
    )
    print(f"more than a point behind at radii: {', '.join(behind) or 'none'}")
    results.record(
        args.record,
        counts=rows,
        models=[Path(args.tflite), Path(args.float_model)],
        data={f"{recipe.data.name}, the first {len(x)} for tests": x},
        seed=recipe.seed,
    )
    return 0


def certified(
    certifier: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    settings: Mapping[str, Any],
    radii: Sequence[float],
    *,
    sequential: bool,
) -> list[NDArray[np.bool_]]:
    """By radius, which images are certified to their class, in their order."""
    asked: list[dict[str, Any]] = [{}]
    if sequential:
        asked = [{"method": "sequential_early", "radius": f"{radius:g}"} for radius in radii]
    found = [
        [
            certifier.certify(image, **settings, **how, index=i, y=int(y[i]))
            for i, image in enumerate(tqdm(x, file=sys.stderr))
        ]
        for how in asked
    ]
    return [
        np.array([bool(c.correct) and c.radius_q16 >= radius * 65536 for c in of])
        for radius, of in zip(radii, found if sequential else found * len(radii), strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
