"""Certain accuracy of the shipped networks under families of changes, by exhaustion.

    python benchmarks/families.py [--images 300] [--networks digits ...] [--data DIR]
        [--out docs/results/families.json]

Every member of every family is run through the file itself (LiteRT, XNNPACK), so each figure is
certain: no sampling, no error probability. Images are the first of each test set. Contrast is
exact: all tables between the factors .8 and 1.25. Results are written after every family, and
families that are there already, with as many images, are not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import make_data
from qrobust.verify import Problem
from qrobust.verify.batch import Image, ProofJob, job_header, prove_image
from qrobust.verify.figures import figures

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ("light:16", "light:32", "shift:1", "shift:2", "contrast:.8..1.25")
SOUNDS = ("time:1", "time:2", "gain:4", "gain:8", "light:2")
KEYWORDS = ["down", "off", "on", "stop", "up", "yes"]
NETWORKS = {
    "digits": ("digits", PICTURES),
    "cifar10_resnet8_w4a4": ("cifar10", PICTURES),
    "cifar10_bernhard/w4a4": ("cifar10", PICTURES),
    "cifar10_stq": ("cifar10", PICTURES),
    "kws_dscnn_w4a8": ("speech_commands", SOUNDS),
    "kws_stq/adversarial": ("speech_commands", SOUNDS),
}


def main() -> int:
    args = arguments()
    out = Path(args.out)
    rows = json.loads(out.read_text()) if out.exists() else []
    cases = [(name, family) for name in args.networks for family in NETWORKS[name][1]]
    cases.sort(key=lambda case: case[1].startswith("contrast"))  # the long ones last
    for name, family in cases:
        row = certain(name, family, args, rows)
        if row is not None:
            rows = [r for r in rows if (r["network"], r["family"]) != (name, family)] + [row]
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(rows, indent=1) + "\n")
    order = list(NETWORKS)
    rows.sort(key=lambda row: order.index(row["network"]))
    out.write_text(json.dumps(rows, indent=1) + "\n")
    print(tabulate(table(rows), headers="keys", tablefmt="github"))
    return 0


def certain(name: str, family: str, args: argparse.Namespace, rows: list) -> dict | None:
    """Prove the images of one network under one family; None where that is there already."""
    data_name = NETWORKS[name][0]
    data = images_of(data_name, args)
    if (name, family, len(data)) in {(r["network"], r["family"], r["images"]) for r in rows}:
        return None
    content = (ROOT / "models" / name / "model.tflite").read_bytes()
    problem, job = Problem(content), ProofJob(content, family)
    bar = tqdm(range(len(data)), desc=f"{name} {family}", file=sys.stderr, mininterval=5)
    lines = [prove_image(problem, job, Image(data.x[i], i, data.label(i))) for i in bar]
    header = job_header(problem, job, data)
    shown = figures(lines).to_json()
    del shown["seconds"]
    return {
        "network": name,
        "family": family,
        "data": data_name,
        "claim": header["claim"],
        "about": header["about"],
        "model_sha256": header["model_sha256"],
        **shown,
    }


@cache
def loaded(name: str, folder: str | None):
    if name == "digits":
        return datasets.digits().test
    if name == "speech_commands":
        return datasets.speech_commands(folder, words=KEYWORDS).test
    return getattr(datasets, name)(folder).test


def images_of(name: str, args: argparse.Namespace):
    test = loaded(name, args.data)
    return make_data(test.x[: args.images], test.y[: args.images])


def table(rows: list) -> list[dict]:
    return [
        {
            "network": row["network"],
            "family": row["family"],
            "images": row["images"],
            "clean": f"{row['clean'] / row['images']:.1%}",
            "certain": f"{row['certain'] / row['images']:.1%}",
            "inferences an image": row["inferences"] // row["images"],
        }
        for row in rows
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--data", help="folder of the data sets (default: $QROBUST_DATA or ./data)")
    parser.add_argument("--out", default=str(ROOT / "docs" / "results" / "families.json"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
