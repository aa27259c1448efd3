"""Certain accuracy of the shipped networks under families of changes, by exhaustion.

    python benchmarks/families.py [--images 300] [--networks digits ...] [--data DIR]
        [--out docs/results/families.json]

Every member of every family is run through the file itself (LiteRT, XNNPACK), so each figure is
certain: no sampling, no error probability. Images are the first of each test set. Contrast is
exact: all tables between the factors .8 and 1.25. Results are written after every family, and
families that are there already, of the same file and as many images, are not run again; nor are
those that the card of that very file holds (`qrobust train` ran them the same way).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import make_data
from qrobust.training.publish.summary import FILE, read_summary
from qrobust.verify import Problem
from qrobust.verify.batch import Image, ProofJob, job_header, prove_image
from qrobust.verify.figures import figures

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ("light:16", "light:32", "shift:1", "shift:2", "contrast:.8..1.25")
SOUNDS = ("time:1", "time:2", "gain:4", "gain:8", "light:2")
KEYWORDS = ["down", "off", "on", "stop", "up", "yes"]
NETWORKS = {
    "digits": ("digits", PICTURES),
    "digits_proof": ("digits", PICTURES),
    "mnist_proof": ("mnist", PICTURES),
    "cifar10_resnet8_w4a4": ("cifar10", PICTURES),
    "cifar10_resnet8_families": ("cifar10", PICTURES),
    "cifar10_resnet20_w4a4": ("cifar10", PICTURES),
    "cifar10_resnet20_families": ("cifar10", PICTURES[:4]),
    "cifar10_bernhard/w4a4": ("cifar10", PICTURES),
    "cifar10_bernhard/w3a3": ("cifar10", PICTURES[:4]),
    "cifar10_bernhard/w2a2": ("cifar10", PICTURES[:4]),
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
    for families in (PICTURES, SOUNDS):
        print(tabulate(side_by_side(rows, families), headers="keys", tablefmt="github"))
    return 0


def certain(name: str, family: str, args: argparse.Namespace, rows: list) -> dict | None:
    """Prove the images of one network under one family; None where that is there already."""
    data_name = NETWORKS[name][0]
    data = images_of(data_name, args)
    content = (ROOT / "models" / name / "model.tflite").read_bytes()
    there = {(r["network"], r["family"], r["images"], r["model_sha256"]) for r in rows}
    if (name, family, len(data), hashlib.sha256(content).hexdigest()) in there:
        return None
    problem, job = Problem(content), ProofJob(content, family)
    header = job_header(problem, job, data)
    shown = from_card(name, job.chosen(problem)[0].text, header, len(data))
    if shown is None:
        bar = tqdm(range(len(data)), desc=f"{name} {family}", file=sys.stderr, mininterval=5)
        lines = [prove_image(problem, job, Image(data.x[i], i, data.label(i))) for i in bar]
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


def from_card(name: str, region: str, header: dict, images: int) -> dict | None:
    """What the card of a file says of a family, where it is of these images and this file."""
    summary = read_summary(ROOT / "models" / name / FILE)
    if summary.file is None or summary.file.sha256 != header["model_sha256"]:
        return None
    tables = [table for table in summary.tables if table.name == "families"]
    for family, clean, certain, refuted, unknown, inferences in (r for t in tables for r in t.rows):
        if family == region and clean["of"] == images:
            return {
                "images": images,
                "clean": clean["count"],
                "certain": certain["count"],
                "proven": images - refuted - unknown,
                "refuted": refuted,
                "unknown": unknown,
                "inferences": inferences,
            }
    return None


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


def side_by_side(rows: list, families: tuple[str, ...]) -> list[dict]:
    """One row a network, percent of all images; for the document."""
    made = []
    for name in dict.fromkeys(row["network"] for row in rows):
        own = {row["family"]: row for row in rows if row["network"] == name}
        if not set(own) <= set(families):
            continue
        clean = next(iter(own.values()))
        made.append(
            {"network": f"`{name}`", "clean": f"{100 * clean['clean'] / clean['images']:.1f}"}
        )
        made[-1] |= {
            family: f"{100 * own[family]['certain'] / own[family]['images']:.1f}"
            if family in own
            else ""
            for family in families
        }
    return made


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--data", help="folder of the data sets (default: $QROBUST_DATA or ./data)")
    parser.add_argument("--out", default=str(ROOT / "docs" / "results" / "families.json"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
