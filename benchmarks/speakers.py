"""Keywords on speakers held out: a training for each group of speakers, whom it never hears.

    python benchmarks/speakers.py --data FOLDER --state DIR [--recipe FILE] [--folds 5]
        [--record speakers] [--tiny]

The recipe is that of a shipped keyword network, whole speakers of which are held out; each training
holds out another group of them (`[data] held_out_fold`), who share nobody with each other or with
the test part. Rows: right in the file's integers (LiteRT), without noise, of the group that this
network never heard and of the test part, and their difference in points. The clips differ, so the
interval is of unpaired shares (Newcombe's), in which clips count as independent. "Together" counts
every held-out clip once and every test clip as often as there are networks; its interval counts
the test clips once. The last column takes the groups' differences for the sample: speakers of a
group are more alike than clips that are drawn alone. What is trained is kept under `--state`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import results
from grid.unpaired import unpaired_points
from scipy import stats
from tabulate import tabulate
from trained_network import trained_network

from qrobust.certify import Certifier
from qrobust.datasets import Split
from qrobust.training.recipe import Recipe, read_recipe
from qrobust.training.train import load_data

RECIPE = results.PROJECT / "models" / "kws_sound_w4a8" / "recipe.toml"
GROUP, TEST, POINTS = "held out", "test part", "held out minus test, points"
OVER = "over groups (Student's t)"


def main() -> int:
    args = arguments()
    recipe = read_recipe(args.recipe)
    if args.tiny:
        args.folds = 2
        training = replace(recipe.training, epochs=1, float_epochs=1, frozen_epochs=0)
        data = replace(recipe.data, copies=1, held_out=6)
        recipe = replace(recipe, training=training, data=data)
    load_data(held_apart(recipe, args.folds - 1), args.data)  # before hours are spent
    rows = [judged(held_apart(recipe, fold), fold, args) for fold in range(args.folds)]
    rows = [*({**row, OVER: ""} for row in rows), together(rows)]
    print(tabulate([shown(row) for row in rows], headers="keys", tablefmt="github"))
    results.record(
        args.record,
        counts=rows,
        data={args.recipe.name: args.recipe.read_bytes()},
        seed=recipe.seed,
    )
    return 0


def held_apart(recipe: Recipe, fold: int) -> Recipe:
    """The recipe that holds this group out."""
    data = replace(recipe.data, held_out_fold=fold)
    return replace(recipe, name=f"{recipe.name}_{fold}", data=data)


def judged(of: Recipe, fold: int, args: argparse.Namespace) -> dict[str, Any]:
    """One training: right of those whom it never heard, and of the test part."""
    folder = trained_network(of, args.state, args.data)
    loaded = load_data(of, args.data)
    if loaded.validation is None:
        raise ValueError(f"{args.recipe} holds nobody out")
    classes = len(loaded.class_names)
    row = {"group": str(fold), GROUP: right(folder, loaded.validation, classes)}
    row[TEST] = right(folder, loaded.test, classes)
    return row | {POINTS: unpaired_points(row[GROUP], row[TEST])}


def right(folder: Path, part: Split, classes: int) -> dict[str, int]:
    """Clips whose label the file says."""
    file = folder / "model.tflite"
    with Certifier(file, sigma=8, seed=0, classes=classes, trusted=True) as plain:
        found = [plain.classify(x) == y for x, y in zip(part.x, part.y, strict=True)]
    return results.share(int(np.sum(found)), len(found))


def together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All groups: held-out clips added up, the test part's mean over networks."""
    group, test = (
        results.share(sum(r[key]["count"] for r in rows), sum(r[key]["of"] for r in rows))
        for key in (GROUP, TEST)
    )
    once = {"count": round(test["count"] / len(rows)), "of": test["of"] // len(rows)}
    row = {"group": "together", GROUP: group, TEST: test, POINTS: unpaired_points(group, once)}
    return row | {OVER: over_groups(rows)}


def over_groups(rows: Sequence[dict[str, Any]]) -> str:
    """Mean of the groups' differences in points, and its 95 % interval over groups."""
    shares = [[row[key]["count"] / row[key]["of"] for key in (GROUP, TEST)] for row in rows]
    points = [100 * (held - test) for held, test in shares]
    mean = float(np.mean(points))
    if len(points) < 2:
        return f"{mean:+.1f}"
    half = float(stats.t.ppf(0.975, len(points) - 1) * stats.sem(points))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v['count']}/{v['of']}" if isinstance(v, dict) else v for k, v in row.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="FOLDER", help="of Speech Commands")
    parser.add_argument("--state", type=Path, metavar="DIR", required=True, help="of the work")
    parser.add_argument("--recipe", type=Path, default=RECIPE, metavar="FILE")
    parser.add_argument("--folds", type=int, default=5, help="groups of speakers")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.folds < 1:
        parser.error(f"--folds is 1 or more, received {args.folds}")
    return args


if __name__ == "__main__":
    sys.exit(main())
