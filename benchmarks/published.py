"""Our certificates beside published ones, image by image: float ResNet-110s and our integers.

    python benchmarks/published.py --tables DIR [--sigma 0.25] [--network FOLDER]
        [--ours NAME=JOURNAL.jsonl ...] [--images 1000] [--record published_cifar10]

``DIR`` holds METHOD/noise_SIGMA.tsv, the tables of Cohen et al.'s tools over the official test
images of CIFAR-10 (eth-sri/acr-weakness publishes them in ``data/certify/cifar10``; ResNet-110 in
float32, n = 100,000, redone). Ours are journals of ``qrobust certify`` on the same images in the
same order; of sequential tests (``--method sequential_early --radius 63.75``) one journal a radius,
which says nothing at others. Only images below ``--images`` count: a copy of the data may hold
others after the official ones.

Certified accuracy at .25, .5 and .75 of the [0, 1] scale, each published row with the paired
difference "ours minus theirs" in points and its exact 95 % interval over the images; then the
curves, recorded as NAME_curves. Classes of images have to agree, or the tables are about other
images. Without ``--ours``, the journals that a network in models/ ships: ``--network``, or the
ResNet-20 of that sigma.
"""

import argparse
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import results
from grid.paired import paired_points
from numpy.typing import NDArray
from render import table

from qrobust.certify.report.published import SPAN, read_published, same_images
from qrobust.certify.report.read import read_summary
from qrobust.certify.report.summary import Summary, counts, least_q16

RADII = (Fraction("0.25"), Fraction("0.5"), Fraction("0.75"))
CURVE = tuple(Fraction(k, 8) for k in range(8))
#: Folder of the tables -> name of the training.
METHODS = {
    "gaussian": "Gaussian",
    "macer": "MACER",
    "smoothadv": "SmoothAdv",
    "consistency": "Consistency",
    "smoothmix": "SmoothMix",
    "catrs": "CAT-RS",
    "ours": "hard data, adaptive attack",
}
#: Sigma on the [0, 1] scale -> whose journals ship, and what its network is called.
OURS = {
    "0.25": ("cifar10_resnet20_taught", "this package, ResNet-20, 4 bits"),
    "0.5": ("cifar10_resnet20_half", "this package, ResNet-20, 4-bit weights"),
}


def main() -> int:
    args = arguments()
    folder, called = OURS[args.sigma]
    if args.network or args.ours:
        folder, called = args.network, f"this package, {args.network or 'journals given'}"
    journals = named(args.ours) or {path.name: path for path in shipped(folder)}
    if not journals:
        raise SystemExit(f"models/{folder} has no certificates*.jsonl")
    ours = {name: read_summary(path) for name, path in journals.items()}
    check_sigma(ours, Fraction(args.sigma) * SPAN)
    tables = {
        name: read_published(args.tables / method / f"noise_{args.sigma}.tsv")
        for method, name in list(METHODS.items())[: 1 if args.tiny else None]
    }
    kept = same_images({name: first(run, args.images) for name, run in {**ours, **tables}.items()})
    mine = {r: found for run in (kept[n] for n in ours) for r, found in holds(run).items()}
    if not mine:
        raise SystemExit(f"no journal is about a radius of {', '.join(map(str, CURVE))}")
    theirs = {
        f"{name}, ResNet-110, float": {radius: at(kept[name], radius) for radius in CURVE}
        for name in tables
    }
    rows = [row(called, mine, {}), *(row(name, found, mine) for name, found in theirs.items())]
    drawn = [point(radius, {called: mine, **theirs}) for radius in CURVE]
    print(table(rows), table(drawn), sep="\n\n")
    used = {name: path.read_bytes() for name, path in journals.items()}
    for method in METHODS:
        path = args.tables / method / f"noise_{args.sigma}.tsv"
        used[f"{method}/{path.name}"] = path.read_bytes() if path.exists() else b""
    results.record(args.record, counts=rows, data=used)
    results.record(args.record and f"{args.record}_curves", counts=drawn, data=used)
    return 0


def shipped(folder: str) -> list[Path]:
    """The journals of a network in models/."""
    return sorted((results.PROJECT / "models" / folder).glob("certificates*.jsonl"))


def check_sigma(ours: Mapping[str, Summary], sigma: Fraction) -> None:
    """Curves of other noise are of another smoothed classifier."""
    for name, run in ours.items():
        found = {certificate.sigma for certificate in run.certificates}
        if {Fraction(str(one)) for one in found} != {sigma}:
            raise SystemExit(
                f"{name} is of sigma {', '.join(sorted(map(str, found)))} LSB, and the tables of "
                f"{float(sigma):g}: give another --sigma"
            )


def point(
    radius: Fraction, every: Mapping[str, Mapping[Fraction, NDArray[np.bool_]]]
) -> dict[str, Any]:
    """Shares of all networks at a radius."""
    cells: dict[str, Any] = {"radius": f"{float(radius):g}"}
    for name, found in every.items():
        right = found.get(radius)
        cells[name] = "-" if right is None else results.share(int(right.sum()), len(right))
    return cells


def row(
    name: str,
    found: Mapping[Fraction, NDArray[np.bool_]],
    ours: Mapping[Fraction, NDArray[np.bool_]],
) -> dict[str, Any]:
    """Shares at the radii, and ours minus these where both are known."""
    cells: dict[str, Any] = {"network": name}
    for radius in RADII:
        right = found.get(radius)
        shown = "-" if right is None else results.share(int(right.sum()), len(right))
        cells[f"certified at {float(radius):g}"] = shown
    for radius in RADII:
        points = "-"
        if radius in ours and radius in found:
            points = paired_points(ours[radius], found[radius])
        cells[f"ours minus these at {float(radius):g}"] = points
    return cells


def holds(run: Summary) -> dict[Fraction, NDArray[np.bool_]]:
    """By radius: of a sequential journal its own, of another all."""
    asked = {certificate.settings.get("radius") for certificate in run.certificates}
    if asked == {None}:
        return {radius: at(run, radius) for radius in CURVE}
    if len(asked) != 1:
        raise SystemExit("a journal has one plan; these certificates were asked for several radii")
    (lsb,) = asked
    return {r: at(run, r) for r in CURVE if Fraction(str(lsb)) == r * SPAN}


def at(run: Summary, radius: Fraction) -> NDArray[np.bool_]:
    """Which images are certified to their class at a radius of [0, 1], in their order."""
    least = least_q16(radius * SPAN)
    return np.array([counts(c) and c.radius_q16 >= least for c in run.certificates])


def first(run: Summary, images: int) -> Summary:
    """A run on the images below an index: a copy of the data may have others after those."""
    return Summary(c for c in run.certificates if c.index < images)


def named(items: list[str]) -> dict[str, Path]:
    return {name: Path(path) for name, _, path in (item.partition("=") for item in items)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sigma", choices=sorted(OURS), default="0.25", help="of the noise")
    parser.add_argument("--network", metavar="FOLDER", help="of models/, whose journals ship")
    parser.add_argument("--ours", nargs="+", default=[], metavar="NAME=JOURNAL.jsonl")
    parser.add_argument("--images", type=int, default=1000)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.network and args.ours:
        parser.error("--network and --ours both say whose journals; give one")
    return args


if __name__ == "__main__":
    sys.exit(main())
