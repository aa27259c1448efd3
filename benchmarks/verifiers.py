"""Ways to prove against ways to train: verified, attacked and undecided shares, and their cost.

    python benchmarks/verifiers.py [--networks digits/none ...] [--images 40] [--data DIR]
        [--record verifiers] [--tiny]

After Li et al.'s systematization ("SoK: Certified Robustness for Deep Neural Networks", 2023), on
files: the same test images in L-inf balls, each network under each method. A right image that a
method proves counts as verified. Intervals, linear bounds and branching are `qrobust.verify`'s, and
each of them proves what the one before proves; branching bounds at most 20 boxes an image (4 of
MNIST). "MILP" is HiGHS on the integer graph, an oracle whose answers are no proofs; it is asked
where few pixels change (over whole pictures it decided nothing in a second a class, and its
presolve does not stop when it is told to). "Smoothing" is the L-inf ball inside the L2 ball of a
Gaussian certificate (radius over the root of the inputs' number, alpha .001 an image, about the
smoothed classifier and not the file's own label), for networks that carry a smoothing spec.
"Attacked" is what gradient descent on the file's integer graph leaves (12 steps, all classes, 3
starts), an upper bound. An image that intervals prove or the attack refutes is not given to the
methods behind them: the answer is certain. Seconds are CPU time of this process, a mean over the
images that a method was given. Regions with a pixel count change only that many pixels, those of
the largest variance, so that enumeration is finite work: it runs on every image there and is the
truth. A contradiction between two methods ends the program with status 1.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import results
from results import PROJECT, share
from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.certify import Certifier, read_spec
from qrobust.verify import PROVEN, REFUTED, UNKNOWN, LinfBall, Problem, verify
from qrobust.verify.search import descend

#: Data and training -> folder of the model.
NETWORKS = {
    "digits/none": "digits_proof/undefended",
    "digits/noise": "digits",
    "digits/adversarial": "digits_proof/adversarial",
    "digits/IBP": "digits_proof",
    "mnist/none": "mnist_proof/undefended",
    "mnist/IBP": "mnist_proof",
}
#: Data -> radius in LSB and how many pixels may change (0: all).
REGIONS = {"digits": ((4, 0), (8, 0), (8, 3)), "mnist": ((8, 0), (25, 0))}
METHODS = ("intervals", "linear", "branching", "MILP", "enumeration", "smoothing")
#: Most boxes that branching bounds for an image.
BOXES = {"digits": 20, "mnist": 4}
_SECONDS, _SAMPLES = 1, 10_000


@dataclass(frozen=True, eq=False)
class Case:
    """One network and its images."""

    name: str
    problem: Problem
    certifier: Certifier | None
    x: np.ndarray
    y: np.ndarray
    pixels: np.ndarray

    def region(self, radius: int, count: int) -> LinfBall:
        """A ball, in some pixels only where that is asked for."""
        if not count:
            return LinfBall(radius)
        mask = np.zeros(self.problem.domain.size, bool)
        mask[self.pixels[:count]] = True
        return LinfBall(radius, mask.reshape(self.problem.domain.shape))


def main() -> int:
    args = arguments()
    counts: list[dict] = []
    speeds: list[dict] = []
    wrong: list[str] = []
    for name in args.networks:
        case = opened(name, args)
        for radius, pixels in REGIONS[name.split("/")[0]]:
            if args.tiny and not pixels:
                continue
            row, times = measured(case, radius, pixels, wrong)
            counts.append(row)
            speeds.append(times)
    print(tabulate([shown(row) for row in counts], headers="keys", tablefmt="github"))
    print(tabulate(speeds, headers="keys", tablefmt="github", floatfmt=".3f"))
    models = [PROJECT / "models" / NETWORKS[name] / "model.tflite" for name in args.networks]
    results.record(args.record, counts=counts, speeds=speeds, models=models, seed=0)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


def opened(name: str, args: argparse.Namespace) -> Case:
    data, _ = name.split("/")
    loaded = datasets.digits() if data == "digits" else datasets.mnist(args.data)
    content = (PROJECT / "models" / NETWORKS[name] / "model.tflite").read_bytes()
    certifier = None if read_spec(content) is None else Certifier(content, trusted=True)
    variance = loaded.train.x.reshape(len(loaded.train.x), -1).astype(float).var(axis=0)
    x, y = loaded.test.x[: args.images], loaded.test.y[: args.images]
    return Case(name, Problem(content), certifier, x, y, np.argsort(-variance, kind="stable"))


def measured(case: Case, radius: int, pixels: int, wrong: list[str]) -> tuple[dict, dict]:
    """Counts and CPU seconds of one network in one region."""
    region = case.region(radius, pixels)
    verified = dict.fromkeys(METHODS, 0)
    seconds: dict[str, list[float]] = {method: [] for method in (*METHODS, "attack")}
    right = survived = union = 0
    where = f"{radius} LSB" + (f", {pixels} pixels" if pixels else "")
    for i in tqdm(range(len(case.x)), desc=f"{case.name} {where}", mininterval=5, file=sys.stderr):
        picture = case.problem.picture(case.x[i])
        label = int(case.problem.predictor.labels(picture[None])[0])
        if label == case.y[i]:
            right += 1
            said = asked(case, picture, region, seconds, radius=radius, pixels=pixels)
            for method in METHODS:
                verified[method] += said.get(method) == PROVEN
            answers = {said[m] for m in said if m != "MILP"}
            union += PROVEN in answers
            survived += REFUTED not in said.values()
            if {PROVEN, REFUTED} <= set(said.values()):
                wrong.append(f"{case.name}, image {i}, {where}: {said}")
        if case.certifier is not None and not pixels:
            began = time.process_time()
            done = case.certifier.certify(case.x[i], n=_SAMPLES, index=i)
            seconds["smoothing"].append(time.process_time() - began)
            reach = radius * math.sqrt(case.problem.domain.size)
            verified["smoothing"] += done.label == case.y[i] and done.radius >= reach
    of = len(case.x)
    data, training = case.name.split("/")
    row = {
        "data": data,
        "training": training,
        "region": where,
        "right": share(right, of),
        "attacked": share(survived, of),
        "verified": share(union, of),
    }
    row |= {m: verified[m] if applies(m, case, pixels) else None for m in METHODS}
    times = {"data": data, "training": training, "region": where}
    times |= {m: float(np.mean(t)) if t else None for m, t in seconds.items()}
    return row, times


def applies(method: str, case: Case, pixels: int) -> bool:
    """Whether a method can be asked about a region of a network."""
    return {
        "MILP": bool(pixels) and case.problem.domain.size <= 64,
        "enumeration": bool(pixels),
        "smoothing": case.certifier is not None and not pixels,
    }.get(method, True)


def asked(
    case: Case,
    picture: np.ndarray,
    region: LinfBall,
    seconds: dict[str, list[float]],
    *,
    radius: int,
    pixels: int,
) -> dict[str, str]:
    """What every method says of one image, and how long each took."""
    problem, said = case.problem, {}

    def ask(method: str, run: Callable[[], str]) -> str:
        began = time.process_time()
        said[method] = run()
        seconds[method].append(time.process_time() - began)
        return said[method]

    def proof(method: str, budget: int) -> Callable[[], str]:
        return lambda: verify(problem, picture, region, method, budget=budget).status

    def attacked() -> str:
        label = int(problem.predictor.labels(picture[None])[0])
        box = region.box(picture, problem.domain)
        return UNKNOWN if descend(problem, picture, box, label)[0] is None else REFUTED

    if pixels:
        ask("enumeration", proof("enumeration", (2 * radius + 1) ** pixels))
    later = ["linear", "branching"] + ["MILP"] * applies("MILP", case, pixels)
    if ask("intervals", proof("intervals", 1)) == PROVEN:
        said |= dict.fromkeys(later, PROVEN)
        return said
    if ask("attack", attacked) == REFUTED:
        return said
    if ask("linear", proof("linear", 1)) == PROVEN:
        said["branching"] = PROVEN
    else:
        ask("branching", proof("branching", BOXES[case.name.split("/")[0]]))
    if "MILP" in later:
        ask("MILP", lambda: verify(problem, picture, region, "milp", budget=_SECONDS).status)
    return said


def shown(row: dict) -> dict:
    """A row with shares in percent."""
    return {
        key: f"{cell['count'] / cell['of']:.1%}" if isinstance(cell, dict) else cell
        for key, cell in row.items()
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--images", type=int, default=40, help="of each test set, the first")
    parser.add_argument("--data", help="folder of the data sets (default: $QROBUST_DATA or ./data)")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.networks = 2, [n for n in args.networks if n == "digits/noise"]
    return args


if __name__ == "__main__":
    sys.exit(main())
