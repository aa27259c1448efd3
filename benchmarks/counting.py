"""Counted certificates beside drawn ones, and beside what others published.

    python benchmarks/counting.py digits [--images 500] [--record counting_digits]
    python benchmarks/counting.py l1 [FOLDER ...] [--record counting_l1]
    python benchmarks/counting.py patches [FOLDER ...] [--record counting_patches]

`digits`: L1. Splits, Gaussian noise of four sigmas and uniform noise of two widths, all of one
network, trained with one recipe (models/digits_splits, models/digits_l1), on the same images.
Counted and Gaussian certificates are read from the journals that those models ship; uniform ones
are made here (10,000 draws, alpha .001): with k_i uniform in -L .. L a change of L1 size r moves at
most r / (2 L + 1) of the probability, so r < (2 L + 1) (p - 1/2) is certain up to alpha. A Gaussian
L2 radius is an L1 radius, too. Then, at each radius, the best splits beside the best Gaussian and
the best uniform, each chosen on these images: differences in points, with exact paired intervals.

`l1`: networks of different M on the same images, their envelope (the best M at each radius, chosen
on these images as the paper does), and the published rows. `patches`: networks of bands and blocks.
FOLDER holds model.tflite and certificates.jsonl; by default all such folders in models/.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import results
from grid.paired import paired_points
from numpy.typing import NDArray
from render import table
from results import PROJECT, share
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import Certifier, read_certificates
from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, lower_bound
from qrobust.certify.run.certificate import L1, L2, PATCH, Certificate
from qrobust.certify.smoothings.bands import stands, touched_bands, touched_blocks
from qrobust.verify import Problem

MODELS = PROJECT / "models"
JOURNAL, MODEL = "certificates.jsonl", "model.tflite"
DIGITS_RADII = (0, 32, 64, 128, 192, 255, 384)
SIGMAS, REACHES = (64, 96, 128, 192), (256, 512)
ALPHA, N0, N = Fraction(1, 1000), 100, 10_000
#: L1 radii of [0, 1], and what Levine and Feizi's WideResNet-40 certifies there of all 10,000 test
#: images of CIFAR-10, in percent: the envelope over M, recomputed from the arrays that they publish
#: (alevine0/smoothingSplittingNoise, checkpoints/cifar_split_derandomized_*).
UNIT_RADII = (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)
PUBLISHED_L1 = {
    "WideResNet-40, float, published": (89.6, 72.2, 63.1, 56.2, 51.3, 46.8, 42.7, 38.3, 33.6),
    "... with stability training": (86.7, 71.2, 61.0, 54.2, 49.4, 45.5, 42.7, 39.5, 36.5),
}
#: Levine and Feizi 2020, CIFAR-10, 5 x 5 patches, bands of 4 columns: ResNet-18 in float.
PUBLISHED_PATCH = "57.7%"
PATCHES = (1, 2, 5)
TIMED = 20
CIFAR10_SIDE = 32
CIFAR10 = CIFAR10_SIDE**2 * 3


@dataclass(frozen=True, eq=False)
class Case:
    """One smoothed classifier and what it certifies, image by image.

    Attributes:
        name: in tables.
        kind: of noise; the best of a kind is compared with the best of another.
        alpha: error probability of each certificate.
        reach: float[n], radius in LSB at which the right label holds, inclusive; -1 for none.
        inferences: mean number a certificate.
        inputs: digests of the images, to be sure that they are the same ones.
    """

    name: str
    kind: str
    alpha: str
    reach: NDArray[np.float64]
    inferences: float
    inputs: tuple[str, ...] = ()

    def at(self, radius: float) -> NDArray[np.bool_]:
        """bool[n], whether an image is certified at a radius, of integer changes."""
        return self.reach >= np.floor(radius)


@dataclass(frozen=True, eq=False)
class Journal:
    """A published network and its certificates.

    Attributes:
        folder: that holds both.
    """

    folder: Path

    @cached_property
    def lines(self) -> list[Certificate]:
        """In the order of their images."""
        found = read_certificates(self.folder / JOURNAL)
        return sorted(found, key=lambda line: line.index)

    @property
    def name(self) -> str:
        """As in models/."""
        inside = self.folder.is_relative_to(MODELS)
        return str(self.folder.relative_to(MODELS)) if inside else self.folder.name

    def case(self, name: str, kind: str, images: int | None = None) -> Case:
        """Its certificates in L1."""
        lines = self.lines[:images]
        if [line.index for line in lines] != list(range(len(lines))):
            raise SystemExit(f"{self.name}: the journal has to hold the first images, all of them")
        if {line.norm for line in lines} - {L1, L2}:
            raise SystemExit(f"{self.name}: certificates in L1 or L2 are compared here")
        reach = [line.radius if line.correct else -1.0 for line in lines]
        return Case(
            name,
            kind,
            lines[0].alpha,
            np.array(reach),
            float(np.mean([line.samples for line in lines])),
            tuple(line.input_sha256 for line in lines),
        )


def journals(folders: Sequence[Path], norm: str) -> list[Journal]:
    """Those of a norm in some folders, or of all shipped networks."""
    places = folders or sorted(path.parent for path in MODELS.rglob(JOURNAL))
    found = [Journal(Path(place).resolve()) for place in places]
    return [journal for journal in found if journal.lines and journal.lines[0].norm == norm]


# --- digits ---------------------------------------------------------------------------------------


def digits(args: argparse.Namespace) -> int:
    """The rows of L1 on digits."""
    made = [
        Journal(MODELS / "digits_splits" / part).case(name, "splits", args.images)
        for part, name in ((".", "512 splits"), ("wide", "1,024 splits"))
    ]
    made += [
        Journal(MODELS / "digits_l1" / f"gaussian{s}").case(f"sigma {s}", "Gaussian", args.images)
        for s in SIGMAS
    ]
    check_same_images(made)
    made += [uniform(reach, args.images, args.n) for reach in REACHES]
    rows = [row_of(case, DIGITS_RADII) for case in made]
    pairs = compared(made, DIGITS_RADII)
    print(f"{table(rows)}\n\n{table(pairs)}")
    folders = ["digits_splits", "digits_splits/wide", *(f"digits_l1/gaussian{s}" for s in SIGMAS)]
    models = [MODELS / folder / MODEL for folder in folders]
    models += [_uniform_file(reach) for reach in REACHES]
    results.record(args.record, counts=rows, speeds=pairs, models=models, seed=0)
    return 0


def row_of(case: Case, radii: Sequence[float]) -> dict:
    """One classifier's certified shares."""
    of = len(case.reach)
    row = {"noise": case.kind, "": case.name, "alpha": case.alpha}
    row["inferences"] = round(case.inferences)
    return row | {f"{r:g} LSB": share(int(case.at(r).sum()), of) for r in radii}


def check_same_images(cases: Sequence[Case]) -> None:
    """End the program where two classifiers did not certify the same images."""
    for case in cases[1:]:
        if case.inputs != cases[0].inputs:
            raise SystemExit(f"{case.name} was certified on other images than {cases[0].name}")


def _uniform_file(reach: int) -> Path:
    return MODELS / "digits_l1" / f"uniform{reach}.tflite"


def uniform(reach: int, images: int, n: int) -> Case:
    """What the network that was trained with uniform noise certifies."""
    problem = Problem(_uniform_file(reach))
    test = datasets.digits().test
    found = []
    for index in tqdm(range(images), desc=f"uniform {reach}", file=sys.stderr, mininterval=5):
        rng = np.random.default_rng((0, reach, index))
        votes = (drawn_votes(problem, test.x[index], reach, rng, count) for count in (N0, n))
        pilot, fresh = votes
        label = int(pilot.argmax())
        radius = uniform_radius(int(fresh[label]), n, reach)
        found.append(float(radius) if label == test.y[index] else -1.0)
    return Case(f"reach {reach}", "uniform", f"{float(ALPHA):g}", np.array(found), N0 + n)


def drawn_votes(
    problem: Problem, image: NDArray[np.uint8], reach: int, rng: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """Votes of noisy copies, int64[classes]."""
    picture = problem.picture(image)
    copies = picture + rng.integers(-reach, reach + 1, (count, *picture.shape))
    domain = problem.domain
    labels = problem.predictor.labels(np.clip(copies, domain.low, domain.high).astype(np.int16))
    return np.bincount(labels, minlength=problem.file.classes)


def uniform_radius(right: int, n: int, reach: int) -> int:
    """The greatest whole r with ``r < (2 reach + 1) (p - 1/2)``, p the exact lower bound; or -1."""
    twice = 2 * Fraction(lower_bound(n, right, ALPHA), 1 << PROBABILITY_BITS) - 1
    if twice <= 0:
        return -1
    most = (2 * reach + 1) * twice / 2
    return -(-most.numerator // most.denominator) - 1


def compared(cases: Sequence[Case], radii: Sequence[float]) -> list[dict]:
    """At each radius: the best of every kind, and splits less each of the others."""
    rows = []
    for radius in radii:
        best: dict[str, Case] = {}
        for case in cases:
            if case.kind not in best or case.at(radius).sum() > best[case.kind].at(radius).sum():
                best[case.kind] = case
        ours = best["splits"].at(radius)
        row = {"radius (LSB)": f"{radius:g}", "splits": best["splits"].name}
        for kind in ("Gaussian", "uniform"):
            other = best[kind]
            row[kind] = other.name
            row[f"points over {kind}"] = paired_points(ours, other.at(radius))
        rows.append(row)
    return rows


# --- L1 over several M ----------------------------------------------------------------------------


def l1(args: argparse.Namespace) -> int:
    """The envelope over M."""
    found = journals(args.folders, L1)
    if args.folders:
        chosen = found
    else:
        chosen = [journal for journal in found if journal.name.startswith("cifar10")]
    if not chosen:
        raise SystemExit("no journal of splits on CIFAR-10 in models/: name folders that hold one")
    images = min(len(journal.lines) for journal in chosen)
    if args.tiny:
        images = min(images, 20)
    cases = [
        journal.case(f"{journal.lines[0].counting['size']:,} splits", journal.name, images)
        for journal in chosen
    ]
    check_same_images(cases)
    columns = {case.name: case for case in cases}
    if len(columns) < len(cases):  # the same M twice
        columns = {f"{case.name}, {case.kind}": case for case in cases}
    rows = []
    for place, unit in enumerate(UNIT_RADII):
        counts = {name: int(case.at(255 * unit).sum()) for name, case in columns.items()}
        row = {"L1 radius": f"{unit:g}", "LSB": f"{255 * unit:g}"}
        row |= {name: f"{count / images:.1%}" for name, count in counts.items()}
        row["best of these"] = share(max(counts.values()), images)
        if chosen[0].lines[0].coordinates == CIFAR10:
            row |= {name: f"{values[place]:.1f}%" for name, values in PUBLISHED_L1.items()}
        rows.append(row)
    print(table(rows))
    models = [journal.folder / MODEL for journal in chosen]
    results.record(args.record, counts=rows, models=models)
    return 0


# --- patches --------------------------------------------------------------------------------------


def patches(args: argparse.Namespace) -> int:
    """Clean and certified accuracy of networks of bands and blocks."""
    found = journals(args.folders, PATCH)
    if not found:
        raise SystemExit("no journal of bands or blocks: name folders that hold one")
    counts, speeds = [], []
    for journal in found:
        lines = journal.lines[:20] if args.tiny else journal.lines
        view = lines[0].counting
        sides = [m for m in PATCHES if m <= view["width"]]
        right = np.array([int(np.argmax(line.votes)) == line.y for line in lines])
        kind = lines[0].noise
        row = {"network": journal.name, "views": f"{kind} of {view['size']}"}
        row |= {"inferences": lines[0].n, "clean": share(int(right.sum()), len(lines))}
        for side in sides:
            touched = touched_of(kind, side, view)
            stand = [stands(np.array(line.votes), touched) for line in lines]
            row[f"{side} x {side}"] = share(int((right & np.array(stand)).sum()), len(lines))
        counts.append(row | {f"{m} x {m}": None for m in PATCHES if m not in sides})
        speeds.append({"network": journal.name, **timed(journal, args)})
    if any(journal.lines[0].counting["width"] == CIFAR10_SIDE for journal in found):
        blank = dict.fromkeys(counts[0])
        counts.append(
            blank
            | {"network": "ResNet-18, float, published", "views": "bands of 4", "inferences": 32}
            | {"5 x 5": PUBLISHED_PATCH}
        )
    print(f"{table(counts)}\n\n{table(speeds)}")
    models = [journal.folder / MODEL for journal in found]
    results.record(args.record, counts=counts, speeds=speeds, models=models)
    return 0


def touched_of(kind: str, side: int, view: dict) -> int:
    """Votes that a patch may change."""
    if kind == "bands":
        return touched_bands(side, view["size"], view["width"])
    return touched_blocks(side, view["size"], view["height"], view["width"])


def timed(journal: Journal, args: argparse.Namespace) -> dict:
    """CPU milliseconds of a certificate, all views, in one thread."""
    rng = np.random.default_rng(0)
    with Certifier(journal.folder / MODEL, threads=1, trusted=True) as certifier:
        images = rng.integers(0, 256, (2 if args.tiny else TIMED, *certifier.inputs), np.uint8)
        certifier.certify(images[0], index=0)
        began = time.process_time()
        for index, image in enumerate(images):
            certifier.certify(image, index=index)
        spent = time.process_time() - began
    return {"CPU ms a certificate": round(1000 * spent / len(images), 2)}


TABLES = {"digits": digits, "l1": l1, "patches": patches}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=500, help="of digits, the first")
    parser.add_argument("-n", type=int, default=N, help="draws of uniform noise a certificate")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.n = 3, 200
    return TABLES[args.table](args)


if __name__ == "__main__":
    sys.exit(main())
