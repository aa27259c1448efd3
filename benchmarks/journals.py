"""Shipped certificates side by side: networks on the same images, by the journals beside them.

    python benchmarks/journals.py [NETWORK ...] [--record journals] [--tiny]

The journals (``certificates*.jsonl``) of folders of models/, the first of which is the reference.
Certified accuracy at every radius that the reference's journals are about, in units of [0, 1]; of
sequential tests one journal a radius, which says nothing at others. Beside each the difference from
the reference in points, paired on the images, with its exact 95 % interval over them: one training
is one network. Nothing is run: that the votes are the networks' own is ``qrobust audit``'s to say.
Inputs and classes of the images, norm, sigma, alpha and unit have to agree.
"""

import argparse
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import results
from grid.paired import paired_points
from numpy.typing import NDArray
from published import holds, shipped
from render import table

from qrobust.certify.report.published import same_images
from qrobust.certify.report.read import read_summary
from qrobust.certify.report.summary import Summary

#: ResNets of one sigma, .25, on all 1,202 official test images.
NETWORKS = (
    "cifar10_resnet20_w4a4",
    "cifar10_resnet20_taught",
    "cifar10_resnet20_ensemble",
    "cifar10_resnet26_w4a8",
)
Held: TypeAlias = dict[Fraction, NDArray[np.bool_]]


def main() -> int:
    args = arguments()
    names = args.networks or list(NETWORKS)
    journals = {name: shipped(name) for name in names[: 2 if args.tiny else None]}
    for name, paths in journals.items():
        if not paths:
            raise SystemExit(f"models/{name} ships no journal")
    runs = {path: read_summary(path) for paths in journals.values() for path in paths}
    check_alike(runs)
    kept = same_images({str(path): run for path, run in runs.items()})
    found = {
        name: of(name, [holds(kept[str(path)]) for path in paths])
        for name, paths in journals.items()
    }
    rows = [row(name, found, found[names[0]]) for name in found]
    print(table(rows))
    read = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in runs}
    results.record(args.record, counts=rows, data=read)
    return 0


def check_alike(runs: Mapping[Path, Summary]) -> None:
    """Radii of other noise, norm or inputs are no differences between networks."""
    lines = [certificate for run in runs.values() for certificate in run.certificates]
    for what in ("sigma", "norm", "unit", "span"):
        several = {getattr(line, what) for line in lines}
        if len(several) > 1:
            raise SystemExit(f"these differ in {what}: {', '.join(sorted(map(str, several)))}")
    if len(levels := {line.settings.get("alpha") for line in lines}) > 1:
        raise SystemExit(f"these differ in alpha: {', '.join(sorted(map(str, levels)))}")
    inputs: dict[int, str] = {}
    for line in lines:
        if inputs.setdefault(line.index, line.input_sha256) != line.input_sha256:
            raise SystemExit(f"image {line.index} is not the same one in all journals")


def of(name: str, parts: list[Held]) -> Held:
    """What several journals of one network hold, each at radii of its own."""
    held: Held = {}
    for part in parts:
        if not part or set(held) & set(part):
            raise SystemExit(f"models/{name}: a journal at no radius of k/8, or two at one")
        held |= part
    return held


def row(name: str, found: Mapping[str, Held], reference: Held) -> dict[str, Any]:
    """Shares of a network at the reference's radii, and its points from there."""
    cells: dict[str, Any] = {"network": name}
    for radius in sorted(reference):
        right, at = found[name].get(radius), f"certified at {float(radius):g}"
        cells[at] = "-" if right is None else results.share(int(right.sum()), len(right))
        if right is not None and right is not reference[radius]:
            cells[f"{at}: points"] = paired_points(right, reference[radius])
        else:
            cells[f"{at}: points"] = ""
    return cells


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="folders of models/")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
