"""Proofs: the file's own label holds for a whole set of changes, and nothing is left to chance.

    python examples/proofs.py MODEL.tflite DATA.npz [--images 5] [--light 16] [--box 1]

A family (all light from -B to +B) is small enough to run every member; a box (every pixel by up to
R) is not, and is bounded through the integer graph. "Unknown" says nothing: more --budget may.
"""

import argparse

from qrobust.certify import load_data
from qrobust.verify import REFUTED, Problem, make_region, verify


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL.tflite")
    parser.add_argument("data", metavar="DATA.npz")
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--light", type=int, default=16, help="steps darker and brighter")
    parser.add_argument("--box", type=int, default=1, help="steps of every pixel")
    parser.add_argument("--budget", type=int, default=200, help="boxes of a proof by bounds")
    args = parser.parse_args()
    data = load_data(args.data)
    problem = Problem(args.model)
    for index, x in enumerate(data.x[: args.images]):
        for name, budget in ((f"light:{args.light}", None), (f"linf:{args.box}", args.budget)):
            found = verify(problem, x, make_region(name), budget=budget)
            line = f"image {index}, {name}: label {found.predicted} {found.status}"
            if found.status == REFUTED:
                other = found.counterexample
                line += f", {other.name} gives {other.label}"
            print(f"{line} ({found.inferences} inferences, {found.boxes} boxes)")


if __name__ == "__main__":
    main()
