"""What certification costs: ResNet-8 in integers beside float32 Keras and ART, in one run.

    python benchmarks/certify.py [--repeats 5] [--tests 200] [--images 20]
        [--model M.tflite --data D.npz] [--json OUT.json]

Speed: the same ResNet-8, weights drawn, as an int8 file under the certifier and in float32 Keras
under Cohen's loop (compiled, batch 400) and under ART, on the same threads. Contenders take turns;
rates are medians. On a busy machine the rates depend on who else runs: "CPU us" is the processor
time of one copy over all threads and the child, which hardly does. A certifier runs a file in a
child unless it is told to trust it: both are shown.

Samples: both sequential tests at r = .25 and .5 of the [0, 1] scale against n = 100,000, on
held-out digits and networks trained here with that noise, or on a ResNet-8 file that carries a
smoothing spec (``--model``, ``--data``); `benchmarks/sequential.py` counts them alone.

Scaling: one and two worker processes and Dask, and whether their certificates are the same.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from float_loops import Run, arts_loop, cohens_loop
from sequential import (
    ALPHA,
    FULL,
    SIGMAS,
    SPAN,
    Network,
    certify,
    given,
    sequential,
    trained_digits,
)
from tabulate import tabulate
from tqdm import tqdm

from qrobust.certify import Certifier, Job, Settings
from qrobust.certify.file.model_file import make_interpreter
from qrobust.certify.run.votes import available_cores

SIGMA = 64
BATCH = 64
PURE, VOTES, CHILD = "int8, inference only", "int8, certifier", "int8, certifier, in a child"
COHEN, ART = "float32, Cohen's loop", "ART"


def main() -> int:
    args = arguments()
    threads = available_cores()
    speeds = speed(threads, args.repeats)
    print(f"\nResNet-8, {threads} threads, noise of {SIGMA} LSB: noisy copies classified\n")
    show({"contender": name, **row.columns(speeds[COHEN])} for name, row in speeds.items())
    pure, votes, child, art = speeds[PURE], speeds[VOTES], speeds[CHILD], speeds.get(ART)
    print(
        f"\nnoise, saturation, counting on top of inference: {pure.rate / votes.rate - 1:.0%} "
        f"(CPU time: {votes.cpu / pure.cpu - 1:.0%}); in a child: "
        f"{pure.rate / child.rate - 1:.0%} (CPU time: {child.cpu / pure.cpu - 1:.0%})"
    )
    if art:
        ratio, cpu_ratio = votes.rate / art.rate, art.cpu / votes.cpu
        print(f"certifier against ART: {ratio:.1f} x (CPU time: {cpu_ratio:.1f} x)")

    networks = (
        [given(args.model, args.data, speeds[COHEN].rate)]
        if args.model
        else map(timed_digits, SIGMAS)
    )
    tests = [row for net in networks for row in sequential(net, args.tests, args.images)]
    print(f"\nsequential tests of up to {FULL:,} samples against {FULL:,}, alpha {ALPHA}\n")
    show(tests)

    workers = scaling(args.images)
    print("\none process, two, and Dask (one thread in each)\n")
    show(workers)
    if args.json:
        rows = {name: asdict(row) for name, row in speeds.items()}
        result = {"speed": rows, "sequential": tests, "scaling": workers}
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns of every contender")
    parser.add_argument("--tests", type=int, default=200, help="images tested sequentially")
    parser.add_argument("--images", type=int, default=20, help="of these, certified in full too")
    parser.add_argument("--model", help="ResNet-8 .tflite with a smoothing spec, for the tests")
    parser.add_argument("--data", help=".npz for --model")
    parser.add_argument("--json", help="write the numbers here")
    args = parser.parse_args()
    if (args.model is None) != (args.data is None):
        parser.error("--model and --data belong together")
    return args


def show(rows: Any) -> None:
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=",.1f"))


# Speed


@dataclass(frozen=True)
class Speed:
    """Copies per second, and processor seconds of one copy."""

    rate: float
    cpu: float

    def columns(self, base: "Speed") -> dict[str, float]:
        """What the table shows, beside a base."""
        return {
            "per second": self.rate,
            "times Cohen's loop": self.rate / base.rate,
            "CPU us": 1e6 * self.cpu,
            "times, CPU": base.cpu / self.cpu,
        }


def speed(threads: int, repeats: int) -> dict[str, Speed]:
    """Speed of every contender."""
    import tensorflow as tf
    from networks import NETWORKS, random_inputs, trained_looking

    import qrobust
    from tflite_export import export

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    model = trained_looking(NETWORKS["ResNet-8"](), seed=1)
    x = random_inputs(model, 1, seed=3)[0]
    twin = qrobust.quantize(model, 4, 4, calibrate=random_inputs(model, 64, seed=2))
    file = export(twin).tflite
    with (
        Certifier(file, sigma=SIGMA, threads=threads, trusted=True) as certifier,
        Certifier(file, sigma=SIGMA, threads=threads) as sandboxed,
        ThreadPoolExecutor(threads) as pool,
    ):
        turns: dict[str, tuple[Run, int]] = {
            PURE: (pure_inference(file, x, pool, threads), 20_480),
            VOTES: (lambda count: certifier.votes(x, count), 20_480),
            CHILD: (lambda count: sandboxed.votes(x, count), 20_480),
            COHEN: (cohens_loop(model, x, SIGMA), 4_000),
        }
        art = arts_loop(model, x, SIGMA, ALPHA)
        if art is None:
            print("ART is not installed: skipped (pip install -e '.[benchmarks]')")
        else:
            turns[ART] = (art, 2_000)
        return interleaved(turns, repeats, {CHILD: sandboxed.counter.cpu_seconds})


def interleaved(
    turns: dict[str, tuple[Run, int]],
    repeats: int,
    clocks_of: dict[str, Callable[[], float]] | None = None,
) -> dict[str, Speed]:
    """Median speeds of contenders that take turns; the first turn of each is not counted.

    The processor's clock is this process's, or a contender's own.
    """
    cpus = dict.fromkeys(turns, time.process_time) | (clocks_of or {})
    clocks: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for turn in tqdm(range(repeats + 1), desc="speed", unit="turn", file=sys.stderr):
        for name, (run, count) in turns.items():
            wall, cpu = time.perf_counter(), cpus[name]()
            run(count)
            wall, cpu = time.perf_counter() - wall, cpus[name]() - cpu
            if turn:
                clocks[name].append((count / wall, cpu / count))
    return {
        name: Speed(
            median(rate for rate, _ in times),
            median(cpu for _, cpu in times),
        )
        for name, times in clocks.items()
    }


def pure_inference(file: bytes, x: np.ndarray, pool: ThreadPoolExecutor, threads: int) -> Run:
    """The interpreter alone: the same batches and threads, one input over and over."""
    interpreters = [make_interpreter(file, batch=BATCH) for _ in range(threads)]
    source = interpreters[0].get_input_details()[0]["index"]
    batch = np.repeat((x.astype(np.int16) - 128).astype(np.int8)[None], BATCH, axis=0)

    def share(interpreter: Any, batches: int) -> None:
        for _ in range(batches):
            interpreter.set_tensor(source, batch)
            interpreter.invoke()

    return lambda count: list(pool.map(share, interpreters, [count // BATCH // threads] * threads))


# Samples


def timed_digits(sigma: float) -> Network:
    """`trained_digits`, with the rate of its float twin under Cohen's loop."""
    network = trained_digits(sigma)
    loop = cohens_loop(network.twin, network.data.x[0], sigma * SPAN)
    return replace(network, float_rate=interleaved({"": (loop, 40_000)}, 3)[""].rate)


# Scaling


def scaling(images: int) -> list[dict[str, Any]]:
    """Images per second and agreement of executors, once each is warm."""
    network = trained_digits(SIGMAS[0])
    job = Job(network.file, Settings(n=20_000), threads=1)
    rows: list[dict[str, Any]] = []
    expected = None
    for name, make in (("1 process", one), ("2 processes", two), ("Dask, 2 processes", dask)):
        with make() as executor:
            if executor is not None:
                certify(job, network.data, 4, executor)
            certificates, seconds = certify(job, network.data, images, executor)
        found = [{**c.to_json(), "seconds": 0} for c in certificates]
        expected = expected or found
        rate = images / seconds
        first = rows[0]["images/s"] if rows else rate
        rows.append(
            {"": name, "images/s": rate, "times one": rate / first, "same": found == expected}
        )
    return rows


@contextmanager
def one() -> Iterator[None]:
    yield None


@contextmanager
def two() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def dask() -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client.get_executor()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
