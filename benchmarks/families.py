"""Certain accuracy of the shipped networks under families of changes, by exhaustion.

    python benchmarks/families.py [--images 300] [--networks digits ...] [--data DIR]
        [--record families] [--tiny]

Every member of every family is run through the file itself (LiteRT, XNNPACK), so each figure is
certain: no sampling, no error probability. Images are the first of each test set. Contrast is
exact: all tables between the factors .8 and 1.25. Results are written after every family; families
that are recorded already, of the same file and the same images, are not run again and say where
they are from; nor are those that the card of that very file holds (`qrobust train` ran them the
same way). ``NAME_pictures`` and ``NAME_sounds`` hold the same shares, one row a network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import results
from results import STALE, share
from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import make_data
from qrobust.training.publish.summary import FILE, read_summary
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data
from qrobust.verify import Problem
from qrobust.verify.batch import Image, ProofJob, job_header, prove_image
from qrobust.verify.figures import figures

MODELS = results.PROJECT / "models"
PICTURES = ("light:16", "light:32", "shift:1", "shift:2", "contrast:.8..1.25")
SOUNDS = ("time:1", "time:2", "gain:4", "gain:8", "light:2")
KEYWORDS = ["down", "off", "on", "stop", "up", "yes"]
NETWORKS = {
    "digits": ("digits", PICTURES),
    "digits_proof": ("digits", PICTURES),
    "digits_proof/adversarial": ("digits", PICTURES),
    "digits_proof/undefended": ("digits", PICTURES),
    "mnist_proof": ("mnist", PICTURES),
    "mnist_proof/undefended": ("mnist", PICTURES),
    "cifar10_resnet8_w4a4": ("cifar10", PICTURES),
    "cifar10_resnet8_families": ("cifar10", PICTURES),
    "cifar10_resnet20_w4a4": ("cifar10", PICTURES),
    "cifar10_resnet20_families": ("cifar10", PICTURES[:4]),
    "cifar10_bernhard/w4a4": ("cifar10", PICTURES),
    "cifar10_bernhard/w3a3": ("cifar10", PICTURES[:4]),
    "cifar10_bernhard/w2a2": ("cifar10", PICTURES[:4]),
    "cifar10_stq": ("cifar10", PICTURES),
    "cifar10_proof": ("cifar10", PICTURES[:4]),
    "caltech101_resnet8_w4a4": ("caltech101", PICTURES[:4]),
    "kws_dscnn_w4a8": ("speech_commands", SOUNDS),
    "kws_stq/adversarial": ("speech_commands", SOUNDS),
    "kws_sound_w4a8": ("speech_commands", SOUNDS),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """What was recorded: rows, where each comes from, and what they are of."""

    rows: tuple[Row, ...]
    origins: dict[tuple[str, str], str]
    models: dict[str, str]
    data: dict[str, str]

    def row(self, name: str, family: str, images: Any) -> tuple[Row, str] | None:
        """The row of a family, if it is of the file and the images that are there now."""
        path = file_of(name)
        known = self.models.get(path.relative_to(results.PROJECT).as_posix())
        if known != results.file_sha256(path) or self.data.get(of_data(name, images)) != digest(
            images
        ):
            return None
        found = (r for r in self.rows if (r["network"], r["family"]) == (name, family))
        row = next((r for r in found if r["clean"]["of"] == len(images)), None)
        return (row, self.origins[name, family]) if row and not row.get(STALE) else None


def main() -> int:
    args = arguments()
    if args.tiny:
        args.networks, args.images = ["digits"], 2
    before = recorded(args.record)
    cases = [(name, family) for name, (_, families) in NETWORKS.items() for family in families]
    found: dict[tuple[str, str], tuple[Row, str]] = {}
    for case in cases:
        kept = before.row(*case, images_of(case[0], args)) if before else None
        found |= {case: kept} if kept else {}
    todo = [case for case in cases if case[0] in args.networks and case not in found]
    for case in sorted(todo, key=lambda case: case[1].startswith("contrast")):  # the long ones last
        found[case] = (certain(*case, images_of(case[0], args)), "")
        write(args, [(case, *found[case]) for case in cases if case in found])
    rows = [(case, *found[case]) for case in cases if case in found]
    write(args, rows)
    for families in (PICTURES, SOUNDS):
        print(tabulate(printed(side_by_side(rows, families)[0]), headers="keys", tablefmt="github"))
    return 0


def recorded(name: str | None) -> Recorded | None:
    """What is recorded under a name."""
    if name is None or name not in results.names(results.FOLDER):
        return None
    found = results.read(name, results.FOLDER)
    if found.stale:
        return None
    keys = [(row["network"], row["family"]) for row in found.counts]
    return Recorded(
        tuple(dict(row) for row in found.counts),
        {key: found.origin(" ".join(key)) for key in keys},
        dict(found.models),
        dict(found.data),
    )


def write(args: argparse.Namespace, rows: list[tuple[tuple[str, str], Row, str]]) -> None:
    """The three files of results, each with where its rows come from."""
    earlier = {" ".join(case): origin for case, _, origin in rows if origin}
    names = dict.fromkeys(name for (name, _), *_ in rows)
    about = measured(names, args)
    results.record(args.record, counts=[row for _, row, _ in rows], earlier=earlier, **about)
    for kind, families in (("pictures", PICTURES), ("sounds", SOUNDS)):
        counts, earlier = side_by_side(rows, families)
        if counts and args.record:
            about = measured([row["network"] for row in counts], args)
            results.record(f"{args.record}_{kind}", counts=counts, earlier=earlier, **about)


def measured(names: Iterable[str], args: argparse.Namespace) -> dict[str, Any]:
    """What rows of some networks are of: files and data, for `results.record`."""
    inputs = [(name, images_of(name, args)) for name in names]
    return {
        "models": [file_of(name) for name, _ in inputs],
        "data": {of_data(name, data): content(data) for name, data in inputs},
    }


def certain(name: str, family: str, data: Any) -> Row:
    """Prove the images of one network under one family."""
    file = file_of(name).read_bytes()
    problem, job = Problem(file), ProofJob(file, family)
    header = job_header(problem, job, data)
    shown = from_card(name, job.chosen(problem)[0].text, header, len(data))
    if shown is None:
        bar = tqdm(range(len(data)), desc=f"{name} {family}", file=sys.stderr, mininterval=5)
        lines = [prove_image(problem, job, Image(data.x[i], i, data.label(i))) for i in bar]
        shown = figures(lines).to_json()
    return {
        "network": name,
        "family": family,
        "clean": share(shown["clean"], len(data)),
        "certain": share(shown["certain"], len(data)),
        **{key: shown[key] for key in ("proven", "refuted", "unknown", "inferences")},
    }


def from_card(name: str, region: str, header: dict, images: int) -> dict | None:
    """What the card of a file says of a family, where it is of these images and this file."""
    summary = read_summary(MODELS / name / FILE)
    if summary.file is None or summary.file.sha256 != header["model_sha256"]:
        return None
    tables = [table for table in summary.tables if table.name == "families"]
    for family, clean, certain, refuted, unknown, inferences in (r for t in tables for r in t.rows):
        if family == region and clean["of"] == images:
            return {
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
    if name == "caltech101":  # in the size that its network takes
        recipe = read_recipe(MODELS / "caltech101_resnet8_w4a4" / "recipe.toml")
        return load_data(recipe, folder).test
    return getattr(datasets, name)(folder).test


def images_of(name: str, args: argparse.Namespace) -> Any:
    """The first test inputs of a network."""
    test = loaded(NETWORKS[name][0], args.data)
    return make_data(test.x[: args.images], test.y[: args.images])


def file_of(name: str) -> Path:
    """The network as it ships."""
    return MODELS / name / "model.tflite"


def of_data(name: str, data: Any) -> str:
    """How the results name the images of a network."""
    return f"the first {len(data)} test inputs of {NETWORKS[name][0]}"


def content(data: Any) -> bytes:
    """Inputs and labels, byte for byte."""
    return data.x.tobytes() + str([data.label(i) for i in range(len(data))]).encode()


def digest(data: Any) -> str:
    """SHA-256 of inputs and labels."""
    return sha256(content(data)).hexdigest()


def side_by_side(
    rows: list[tuple[tuple[str, str], Row, str]], families: tuple[str, ...]
) -> tuple[list[Row], dict[str, str]]:
    """One row a network with the shares of its families, and where the rows come from."""
    made, origins = [], {}
    for name in dict.fromkeys(name for (name, _), *_ in rows):
        own = {family: (row, origin) for (n, family), row, origin in rows if n == name}
        if not set(own) <= set(families):
            continue
        clean = next(row["clean"] for row, _ in own.values())
        shares = {f: own[f][0]["certain"] if f in own else None for f in families}
        made.append({"network": name, "clean": clean, **shares})
        kinds = {origin for _, origin in own.values()}
        if len(kinds) > 1:
            origins |= {f"{name} {family}": origin for family, (_, origin) in own.items() if origin}
        elif kinds != {""}:
            origins[name] = kinds.pop()
    return made, origins


def printed(rows: list[Row]) -> list[Row]:
    """Shares as percent."""

    def cell(value: Any) -> Any:
        return f"{value['count'] / value['of']:.1%}" if isinstance(value, dict) else value

    return [{key: cell(value) for key, value in row.items()} for row in rows]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--data", help="folder of the data sets (default: $QROBUST_DATA or ./data)")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
