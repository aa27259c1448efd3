"""Certificates a second of every shipped network, beside a float network in Cohen et al.'s loop.

    python benchmarks/certificates_rate.py --data DIR [--images 50] [--repeats 3]
        [--only NAME ...] [--record certificates_rate]

Every file of models/, in nested folders too, that was trained and certified with Gaussian noise on
what it reads (ensembles have no float network of their architecture, and are left out): sequential
tests (``sequential_early``, up to 10,000 votes, alpha .001) at radii of one and two sigma, on the
first test images, as ``qrobust certify`` runs them: in a child, on all cores. The float network has
the same architecture in float32, its weights drawn, under Cohen's ``_sample_noise``, compiled as a
whole, batch 400: plain Keras, with its batch normalization not folded into the weights, as people
run that loop, and not the fastest float network there could be. Votes a second of both are medians
of turns that they take. A certificate of the float loop costs as many votes as the integer test
took ("same test"), or 100,100, as Cohen et al. draw them. The two do not buy the same: 100,100
votes bound a radius, whatever it is; the sequential test decides one that was named before: "same
test" compares speed, the other what the answers cost. Rates are of this machine; ratios are the
claim.
"""

import argparse
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import results
from certify import interleaved
from float_loops import cohens_loop
from render import table
from sequential import ALPHA, FULL, N0, certify
from smoothed_networks import chosen, named

from qrobust.certify import Certifier, Job, Settings, make_data
from qrobust.training.recipe import read_recipe
from qrobust.training.train import build, load_data

MOST = 10_000
MULTIPLES = (1, 2)
#: Votes of one turn: of integers, and of the float loop, in whole batches of 400.
TURN, FLOAT_TURN = 12_800, 2_000


def main() -> int:
    args = arguments()
    folders = chosen(args.only)
    counts, speeds = [], []
    for folder in folders[: 1 if args.tiny else None]:
        for count, speed in measured(folder, args):
            counts.append(count)
            speeds.append(speed)
            print(count | speed, file=sys.stderr, flush=True)
    print(table(counts), table(speeds), sep="\n\n")
    results.record(
        args.record,
        counts=counts,
        speeds=speeds,
        models=[folder / "model.tflite" for folder in folders],
    )
    return 0


def measured(folder: Path, args: argparse.Namespace) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of a network, one a radius: what does not depend on the machine, and what does."""
    recipe = read_recipe(results.recipe_of(folder))
    dataset = load_data(recipe, args.data)
    file, test = (folder / "model.tflite").read_bytes(), dataset.test
    model, sigma = build(recipe, dataset), recipe.noise
    with Certifier(file) as certifier:
        turns = {
            "integers": (lambda count: certifier.votes(test.x[0], count), args.turn),
            "float": (cohens_loop(model, test.x[0], float(sigma)), args.float_turn),
        }
        rates = interleaved(turns, args.repeats)
    integers, float_loop = rates["integers"].rate, rates["float"].rate
    rows = []
    for multiple in MULTIPLES:
        radius = f"{multiple * float(sigma):g}"
        settings = Settings(method="sequential_early", n0=N0, n=MOST, alpha=ALPHA, radius=radius)
        job, data = Job(file, settings), make_data(test.x, test.y)
        certify(job, data, 1)  # thresholds are made once
        found, seconds = certify(job, data, args.images)
        votes, rate = fmean(c.samples for c in found), args.images / seconds
        name = {"network": named(folder), "radius (LSB)": radius}
        right = results.share(sum(bool(c.correct) for c in found), len(found))
        rows.append(
            (
                {**name, "certified": right, "votes a certificate": f"{votes:,.0f}"},
                {
                    **name,
                    "votes/s": f"{integers:,.0f}",
                    "float loop's": f"{float_loop:,.0f}",
                    "times": f"{integers / float_loop:.1f}",
                    "certificates/s": f"{rate:.2f}",
                    "times the float loop, same test": f"{rate * votes / float_loop:.1f}",
                    "times the float loop at 100,100": f"{rate * (FULL + N0) / float_loop:,.0f}",
                },
            )
        )
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3, help="turns of votes")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="no other networks")
    results.add_arguments(parser)
    args = parser.parse_args()
    args.turn, args.float_turn = TURN, FLOAT_TURN
    if args.tiny:
        args.images, args.repeats, args.only, args.turn, args.float_turn = (
            2,
            1,
            ["digits"],
            640,
            400,
        )
    return args


if __name__ == "__main__":
    sys.exit(main())
