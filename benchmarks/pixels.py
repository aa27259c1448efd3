"""How many pixels change a label: bounds from both sides, on scikit-learn's digits.

    python benchmarks/pixels.py [--images 500] [--model models/digits/model.tflite]
        [--out docs/results/pixels.json]

From below: every content of every single pixel is run through the file (64 * 256 inputs), so "at
least two" is certain. From above: a greedy attack. Images are done in order; those that the
results hold already are not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.verify import Problem, pixel_bounds

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--model", default=str(ROOT / "models" / "digits" / "model.tflite"))
    parser.add_argument("--out", default=str(ROOT / "docs" / "results" / "pixels.json"))
    args = parser.parse_args()
    out, problem = Path(args.out), Problem(args.model)
    found = json.loads(out.read_text()) if out.exists() else {}
    if found.get("model_sha256") != problem.file.sha256:
        found = {"model_sha256": problem.file.sha256, "lower": [], "upper": [], "correct": []}
    test = datasets.digits().test
    for i in tqdm(range(len(found["lower"]), min(args.images, len(test.x))), mininterval=5):
        bounds = pixel_bounds(problem, problem.picture(test.x[i]), most=1)
        found["lower"].append(bounds.lower)
        found["upper"].append(bounds.upper)
        found["correct"].append(bool(bounds.predicted == test.y[i]))
        if i % 25 == 24:
            out.write_text(json.dumps(found) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found) + "\n")
    print(tabulate(table(found), headers="keys", tablefmt="github"))
    return 0


def table(found: dict) -> list[dict]:
    lower, upper, correct = found["lower"], found["upper"], found["correct"]
    images = len(lower)
    certain = sum(low >= 2 and right for low, right in zip(lower, correct, strict=True))
    pairs = list(zip(lower, upper, strict=True))
    return [
        {"": "images", "count": images},
        {"": "right", "count": sum(correct)},
        {"": "right, and no single pixel changes it (certain)", "count": certain},
        {"": "one pixel changes it", "count": pairs.count((1, 1))},
        {"": "two pixels change it, one does not: known exactly", "count": pairs.count((2, 2))},
        {
            "": "three pixels or more were needed by the attack",
            "count": sum((u or 99) > 2 for u in upper),
        },
    ]


if __name__ == "__main__":
    sys.exit(main())
