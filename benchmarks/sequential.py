"""How many samples the sequential tests take, beside n = 100,000: counts, no speeds.

    python benchmarks/sequential.py [--tests 300] [--images 20] [--model M.tflite --data D.npz]
        [--record NAME] [--tiny]

At r = .25 and .5 of the [0, 1] scale, on held-out digits and networks trained here with noise of
that size, or on a file that carries a smoothing spec (``--model``, ``--data``). ``--images`` are
certified with n = 100,000 too: decisions are to be the same, where a test has not run out.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import results
from tabulate import tabulate
from tqdm import tqdm

from qrobust.certify import (
    Certifier,
    Data,
    Job,
    Settings,
    SmoothingSpec,
    attach_spec,
    certify_dataset,
    load_data,
    make_data,
)
from qrobust.certify.methods.settings import SEQUENTIALS

SPAN = 255
FULL = 100_000
N0 = 100
ALPHA = "0.001"
RADII = (0.25, 0.5)
SIGMAS = (0.25, 0.5)


def main() -> int:
    args = arguments()
    made = (trained_digits(sigma) for sigma in args.sigmas)
    networks = [given(args.model, args.data)] if args.model else made
    rows = [row for net in networks for row in sequential(net, args.tests, args.images)]
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=",.1f"))
    results.record(
        args.record,
        counts=rows,
        models=[Path(args.model)] if args.model else [],
        data={Path(args.data).name: Path(args.data).read_bytes()} if args.data else {},
    )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=300, help="images tested sequentially")
    parser.add_argument("--images", type=int, default=20, help="of these, certified in full too")
    parser.add_argument("--model", help=".tflite with a smoothing spec, instead of digits")
    parser.add_argument("--data", help=".npz for --model")
    results.add_arguments(parser)
    args = parser.parse_args()
    if (args.model is None) != (args.data is None):
        parser.error("--model and --data belong together")
    args.sigmas = SIGMAS
    if args.tiny:
        args.tests, args.images, args.sigmas = 2, 1, SIGMAS[:1]
    return args


@dataclass(frozen=True)
class Network:
    """A file with a smoothing spec, and data.

    Attributes:
        float_rate: copies a second of its float twin under Cohen's loop; None where nothing is
            timed.
        twin: that Keras model, where there is one.
    """

    file: bytes
    data: Data
    float_rate: float | None = None
    twin: Any = None


def given(model: str, data: str, float_rate: float | None = None) -> Network:
    return Network(Path(model).read_bytes(), load_data(data), float_rate)


def trained_digits(sigma: float) -> Network:
    """The quickstart's network, trained and smoothed with noise of ``sigma`` on [0, 1]."""
    from qrobust.quickstart.run import HERE
    from qrobust.training.recipe import read_recipe
    from qrobust.training.train import build, train
    from tflite_export import export

    lsb, recipe = sigma * SPAN, read_recipe(HERE / "defended.toml")
    recipe = replace(recipe, defence=replace(recipe.defence, sigma=lsb))
    print(f"training on digits with noise of {lsb} LSB", file=sys.stderr)
    trained = train(recipe)
    file, data = export(trained.model).tflite, trained.dataset
    spec = SmoothingSpec.for_model(file, sigma=lsb)
    return Network(
        attach_spec(file, spec),
        make_data(data.test.x, data.test.y),
        None,
        lambda: build(recipe, data),
    )


def sequential(network: Network, tests: int, images: int) -> Iterator[dict[str, Any]]:
    """Samples and time of sequential tests, and how many decisions are those of n = 100,000."""
    settings = {"n0": N0, "alpha": ALPHA, "n": FULL}
    with Certifier(network.file) as certifier:
        sigma = float(certifier.noise.sigma) / SPAN
    fixed, _ = certify(Job(network.file, Settings(**settings)), network.data, images)
    for radius, method in itertools.product(RADII, SEQUENTIALS):
        lsb = radius * SPAN
        test = Job(network.file, Settings(**settings, method=method, radius=str(lsb)))
        certify(test, network.data, 1)  # thresholds are made once
        tested, seconds = certify(test, network.data, tests)
        same = sum(t.abstained == (f.radius < lsb) for t, f in zip(tested, fixed, strict=False))
        taken = [t.samples for t in tested]
        row = {
            "r / sigma": f"{radius:.2f} / {sigma:.2f}",
            "method": method,
            "certified": {"count": sum(not t.abstained for t in tested), "of": tests},
            "undecided": sum(t.decision == "undecided" for t in tested),
            "median samples": median(taken),
            "mean samples": float(np.mean(taken)),
            "fewer samples than n = 100,000": f"{(FULL + N0) / np.mean(taken):.0f} x",
            "same decision": f"{same} of {len(fixed)}",
        }
        if network.float_rate is not None:
            rate = tests / seconds
            row["certificates/s"] = rate
            row["x float loop"] = rate * (FULL + N0) / network.float_rate
        yield row


def certify(
    job: Job, data: Data, images: int, executor: Executor | None = None
) -> tuple[list[Any], float]:
    """Certificates of the first images and the seconds they took."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        found = certify_dataset(
            job, data, out=Path(folder) / "j", indices=range(images), executor=executor
        )
        bar = tqdm(found, desc=job.settings.method, total=images, unit="image", file=sys.stderr)
        return list(bar), time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
