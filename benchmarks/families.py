"""Certain accuracy of the shipped networks under families of changes, by exhaustion.

    python benchmarks/families.py [--images 300] [--networks digits ...] [--data DIR]
        [--record families] [--tiny]

Every member of every family is run through the file itself (LiteRT, XNNPACK), so each figure is
certain: no sampling, no error probability. Images are the first of each test set. Contrast is
exact: all tables between the factors .8 and 1.25. Results are written after every family. With
``--record`` what is recorded already of the same file, images and claim is not run again and says
where it is from; rows of networks that were not asked for stay, marked where their file is another
one now. ``NAME_pictures`` and ``NAME_sounds`` hold the same shares, one row a network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import results
from results import PROJECT, STALE, Results, share
from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import make_data
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data
from qrobust.verify import Problem
from qrobust.verify.batch import Image, ProofJob, job_header, prove_image
from qrobust.verify.figures import figures

MODELS = PROJECT / "models"
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
#: Network and family.
Case = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """A row, and where it is from if it was not measured now."""

    row: Row
    origin: str = ""


def main() -> int:
    args = arguments()
    if args.tiny:
        args.networks, args.images = ["digits"], 2
    before = recorded(args.record, args.images)
    cases = [(name, family) for name, (_, families) in NETWORKS.items() for family in families]
    found: dict[Case, Found] = {}
    for case in cases:
        kept = before and kept_row(before, case, asked=case[0] in args.networks, args=args)
        found |= {case: kept} if kept else {}
    todo = [case for case in cases if case[0] in args.networks and case not in found]
    for case in sorted(todo, key=lambda case: case[1].startswith("contrast")):  # the long ones last
        found[case] = Found(certain(*case, images_of(case[0], args)))
        write(args, {case: found[case] for case in cases if case in found})
    found = {case: found[case] for case in cases if case in found}
    for families in (PICTURES, SOUNDS):
        if rows := side_by_side(found, families)[0]:
            print(tabulate(printed(rows), headers="keys", tablefmt="github"))
    return 0


def recorded(name: str | None, images: int) -> Results | None:
    """What is recorded under a name.

    Raises:
        SystemExit: it is of something else, or of as many images as are not asked for.
    """
    if name is None or name not in results.names(results.FOLDER):
        return None
    found = results.read(name, results.FOLDER)
    if any("family" not in row for row in found.counts):
        raise SystemExit(f"{name}.json holds no families; choose another --record")
    of = {row["clean"]["of"] for row in found.counts}
    if of - {images}:
        raise SystemExit(
            f"{name}.json is of {max(of)} images, not {images}, and would be lost; choose another "
            "--record"
        )
    return found


def kept_row(before: Results, case: Case, *, asked: bool, args: argparse.Namespace) -> Found | None:
    """A recorded row that need not be proven now; see the top of the file."""
    row = next((dict(r) for r in before.counts if (r["network"], r["family"]) == case), None)
    if row is None:
        return None
    data, path = images_of(case[0], args), file_of(case[0])
    about = {of_data(case[0], data): content(data), of_claim(case): claim_of(case)}
    stale = before.stale or row.get(STALE, "")
    if before.models.get(path.relative_to(PROJECT).as_posix()) != results.file_sha256(path):
        stale = stale or "the file is another one now"
    if any(before.data.get(key) != sha256(value).hexdigest() for key, value in about.items()):
        stale = stale or "the images or the claim are others now"
    if stale and asked:
        return None
    return Found(row | ({STALE: stale} if stale else {}), before.origin(" ".join(case)))


def write(args: argparse.Namespace, found: Mapping[Case, Found]) -> None:
    """The three files of results, each with where its rows come from."""
    earlier = {" ".join(case): one.origin for case, one in found.items() if one.origin}
    rows = [one.row for one in found.values()]
    results.record(args.record, counts=rows, earlier=earlier, **measured(found, args))
    for kind, families in (("pictures", PICTURES), ("sounds", SOUNDS)):
        counts, earlier = side_by_side(found, families)
        shown = {
            case: one for case, one in found.items() if set(NETWORKS[case[0]][1]) <= set(families)
        }
        if counts and args.record:
            about = measured(shown, args)
            results.record(f"{args.record}_{kind}", counts=counts, earlier=earlier, **about)


def measured(cases: Iterable[Case], args: argparse.Namespace) -> dict[str, Any]:
    """What rows are of: files, data and claims, for `results.record`."""
    of = [(case, images_of(case[0], args)) for case in cases]
    data = {of_data(case[0], data): content(data) for case, data in of}
    claims = {of_claim(case): claim_of(case) for case, _ in of}
    models = dict.fromkeys(file_of(case[0]) for case, _ in of)
    return {"models": list(models), "data": data | claims}


def certain(name: str, family: str, data: Any) -> Row:
    """Prove the images of one network under one family."""
    file = file_of(name).read_bytes()
    problem, job = Problem(file), ProofJob(file, family)
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


def of_claim(case: Case) -> str:
    """How the results name what is claimed."""
    return f"claim of {' '.join(case)}"


@cache
def claim_of(case: Case) -> bytes:
    """What is claimed of every image, and about what, word for word."""
    file = file_of(case[0]).read_bytes()
    problem = Problem(file)
    some = make_data(np.zeros((1, *problem.file.shape), np.uint8), None)
    header = job_header(problem, ProofJob(file, case[1]), some)
    return f"{header['claim']}, about {header['about']}".encode()


def side_by_side(
    found: Mapping[Case, Found], families: tuple[str, ...]
) -> tuple[list[Row], dict[str, str]]:
    """One row a network with the shares of its families, and where the rows come from."""
    made, origins = [], {}
    for name in dict.fromkeys(name for name, _ in found):
        own = {family: one for (n, family), one in found.items() if n == name}
        if not set(own) <= set(families):
            continue
        clean = next(one.row["clean"] for one in own.values())
        shares = {f: own[f].row["certain"] if f in own else None for f in families}
        stale = next((one.row[STALE] for one in own.values() if STALE in one.row), "")
        about = {"network": name, "clean": clean}
        made.append(about | shares | ({STALE: stale} if stale else {}))
        kinds = {one.origin for one in own.values()}
        if len(kinds) > 1:
            origins |= {f"{name} {f}": one.origin for f, one in own.items() if one.origin}
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
