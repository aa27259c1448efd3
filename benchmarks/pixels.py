"""How many pixels change a label: bounds from both sides, on shipped networks.

    python benchmarks/pixels.py [--data DIR] [--only NAME ...] [--images N] [--record pixels]

From below: every change of any single pixel, so that "at least two" is certain: one grey pixel has
256 contents, which are run through the file, and a box of one pixel is bounded through the integers
and cut, or stays open. From above, of the digits: a greedy attack. 500 digits, 100 images of MNIST,
50 of CIFAR-10, the first for tests; the latter two with ``--data``, the folder of the data sets.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import results
from render import table
from tqdm import tqdm

from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data
from qrobust.verify import PROVEN, REFUTED, PixelBounds, PixelChanges, Problem, pixel_bounds, verify

MODELS = results.PROJECT / "models"
#: Network -> images.
NETWORKS = {"digits": 500, "mnist_proof": 100, "cifar10_proof": 50}
#: Most runs of the file and boxes, an image: of larger inputs some would take minutes.
BUDGET = 10_000


def main() -> int:
    args = arguments()
    rows = [measured(name, count, args.data) for name, count in args.networks.items()]
    print(table(rows))
    files = [MODELS / name / "model.tflite" for name in args.networks]
    results.record(args.record, counts=rows, models=files)
    return 0


def measured(name: str, count: int, data: str | None) -> dict[str, Any]:
    """The row of a network."""
    problem = Problem(str(MODELS / name / "model.tflite"))
    test = load_data(read_recipe(MODELS / name / "recipe.toml"), data).test
    shown = tqdm(test.x[:count], desc=name, mininterval=5, file=sys.stderr)
    if name == "digits":
        found = [pixel_bounds(problem, problem.picture(image), most=1) for image in shown]
        right = [bounds.predicted == y for bounds, y in zip(found, test.y, strict=False)]
        return {"network": name, **counted(found, right)}
    outcomes = [verify(problem, image, PixelChanges(1), budget=BUDGET) for image in shown]
    ok = [outcome.predicted == y for outcome, y in zip(outcomes, test.y, strict=False)]
    said = [outcome.status for outcome in outcomes]
    counts = {
        "right": sum(ok),
        "right, no single pixel changes it": sum(
            status == PROVEN and good for status, good in zip(said, ok, strict=True)
        ),
        "one pixel changes it": said.count(REFUTED),
        "open": sum(status not in (PROVEN, REFUTED) for status in said),
    }
    rest = {"exactly two are needed": "-", "the attack needed more": "-"}
    shares = {key: results.share(value, len(said)) for key, value in counts.items()}
    return {"network": name, **shares, **rest}


def counted(found: Sequence[PixelBounds], right: Sequence[bool]) -> dict[str, Any]:
    """How many images have which bounds."""
    pairs = [(bounds.lower, bounds.upper) for bounds in found]
    certain = sum(low >= 2 and ok for (low, _), ok in zip(pairs, right, strict=True))
    counts = {
        "right": sum(right),
        "right, no single pixel changes it": certain,
        "one pixel changes it": pairs.count((1, 1)),
        "open": sum(low == 1 != up for low, up in pairs),
        "exactly two are needed": pairs.count((2, 2)),
        "the attack needed more": sum(up is None or up > 2 for _, up in pairs),
    }
    return {name: results.share(count, len(pairs)) for name, count in counts.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=tuple(NETWORKS), metavar="NAME")
    parser.add_argument("--images", type=int, help="of each network")
    results.add_arguments(parser)
    args = parser.parse_args()
    chosen = ["digits"] if args.tiny else args.only or NETWORKS if args.data else ["digits"]
    count = 2 if args.tiny else args.images
    args.networks = {name: count or NETWORKS[name] for name in chosen}
    return args


if __name__ == "__main__":
    sys.exit(main())
