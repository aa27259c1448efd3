"""Measures a machine's speed on a file: inferences, votes, certificates.

Everything is measured in rounds, each thing once a round, and the median counts: what else the
machine does falls on all of them alike. Files run as everywhere, in a process of their own.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, text
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.file.bundle import refuse_bundle
from qrobust.certify.file.model_file import (
    DamagedFileError,
    ModelFile,
    load_model,
    read_model,
    sandboxed,
)
from qrobust.certify.file.runner import Runner, Stored
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.batch import Image, header, run_here
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.journal import Journal
from qrobust.certify.run.votes import DEFAULT_BATCH, available_cores
from qrobust.planning.bench import Bench, Inference, Subject, Votes
from qrobust.planning.machine import Load, Machine, load_average
from tflite_export.sandbox.child import MOST_LANES, Child

BATCHES = (1, 8, DEFAULT_BATCH)
#: Samples of a sequential test's request, and of a bound's; of a slow network no more than take
#: `_PATIENCE_S`, a whole number of short ones.
SHORT, LONG = DEFAULT_BATCH, 4096
#: Of larger batches and requests than take so long nothing more is learnt.
_PATIENCE_S = 2.0
#: What is asked of a child at a time, far within what it may take.
_MOST_S, _MOST_ROUNDS = 20.0, 1000
#: Certificates of one measurement of what they cost beside their votes, of a slow network fewer.
_CERTIFICATES = 16
_PACKAGES = ("qrobust", "ai-edge-litert", "numpy")


@dataclass(frozen=True)
class Spent:
    """What one measurement did.

    Attributes:
        count: how many.
        wall_s: seconds of the wall clock.
        cpu_s: seconds of processor time.
        threads: that were at work.
    """

    count: int
    wall_s: float
    cpu_s: float
    threads: int

    @property
    def share(self) -> float:
        """Part of the wall clock that a thread got a core for."""
        return self.cpu_s / self.threads / self.wall_s


def measure(
    model: str | Path | bytes,
    *,
    sigma: Exact | None = None,
    threads: int | None = None,
    kernels: str = "xnnpack",
    seconds: float = 0.2,
    rounds: int = 5,
    emulated: bool = False,
) -> Bench:
    """Measure this machine on a file: some ten seconds, more where a batch takes seconds.

    Args:
        model: a ``.tflite`` that certify would run.
        sigma: of the noise, where the file has no smoothing spec.
        threads: at most; all cores by default.
        kernels: LiteRT kernel family.
        seconds: of one measurement.
        rounds: of all measurements.
        emulated: this machine is an emulator; nobody can tell from within.

    Raises:
        CertifyError: a file that certify refuses, a bundle, or numbers that make no measurement.
    """
    content = read_model(model)
    refuse_bundle(content)
    most = available_cores() if threads is None else threads
    for name, value, limit in (("threads", most, MOST_LANES), ("rounds", rounds, _MOST_ROUNDS)):
        if value < 1:
            raise CertifyError(f"{name} must be at least 1, received {value}")
        if value > limit:
            raise CertifyError(f"{name} must be at most {limit}, received {value}")
    if not 0.001 <= seconds <= _MOST_S:
        raise CertifyError(
            f"seconds of a measurement must lie in [.001, {_MOST_S:g}], received {seconds}"
        )
    file, before = load_model(content), load_average()
    at_once = sorted({1, most})
    with ExitStack() as stack:
        turns: dict[Any, Callable[[], Spent]] = {}
        for count in at_once:
            turns |= _inferences(stack, file, count, kernels, seconds)
        start_s, voting = None, _names_noise(content, sigma)
        if voting:
            began = time.perf_counter()
            for count in at_once:
                certifier = stack.enter_context(
                    Certifier(content, sigma=sigma, seed=0, threads=count, kernels=kernels,
                              classes=file.classes)
                )  # fmt: skip
                if start_s is None:
                    certifier.votes(_input(file), SHORT)
                    start_s = time.perf_counter() - began
                turns |= _votes(certifier, count, seconds)
            turns["certificate", most] = _certificates(certifier)
        found = _in_rounds(turns, rounds)
    votes = tuple(
        Votes(request=key[1], threads=key[2], per_s=_rate(spent), per_cpu_s=_cpu_rate(spent))
        for key, spent in found.items()
        if key[0] == "votes"
    )
    share = min(s.share for key, all_ in found.items() if key[0] == "run" for s in all_)
    return Bench(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=Machine.here(emulated=emulated),
        versions=_versions(),
        kernels=kernels,
        subject=Subject(
            sha256=file.sha256,
            bytes=len(content),
            input=tuple(int(size) for size in file.shape),
            classes=file.classes,
            sigma=text(certifier.noise.sigma) if voting else None,
        ),
        load=Load(before=before, cores=available_cores(), share=round(min(share, 1.0), 3)),
        inferences=tuple(
            Inference(batch=key[1], threads=key[2], per_s=_rate(spent), per_cpu_s=_cpu_rate(spent))
            for key, spent in found.items()
            if key[0] == "run"
        ),
        votes=votes,
        start_s=None if start_s is None else round(start_s, 4),
        certificate_s=_beside_votes(found["certificate", most], votes) if voting else None,
    )


def _names_noise(content: bytes, sigma: Exact | None) -> bool:
    """Whether votes of noise can be drawn."""
    spec = read_spec(content)
    return sigma is not None or (spec is not None and spec.counting is None)


def _in_rounds(turns: Mapping[Any, Callable[[], Spent]], rounds: int) -> dict[Any, list[Spent]]:
    found: dict[Any, list[Spent]] = {key: [] for key in turns}
    for _ in range(rounds):
        for key, turn in turns.items():
            found[key].append(turn())
    return found


def _rate(spent: list[Spent]) -> float:
    return float(f"{statistics.median(s.count / s.wall_s for s in spent):.5g}")


def _cpu_rate(spent: list[Spent]) -> float:
    return float(f"{statistics.median(s.count / max(s.cpu_s, 1e-9) for s in spent):.5g}")


# Inferences


def _inferences(
    stack: ExitStack, file: ModelFile, threads: int, kernels: str, seconds: float
) -> dict[Any, Callable[[], Spent]]:
    """Measurements on so many interpreters of a child at a time."""
    with sandboxed():
        child = Child(serve_inferences, (file, kernels), lanes=threads)
    stack.callback(child.close)
    pool = stack.enter_context(ThreadPoolExecutor(threads))

    def turn(batch: int) -> Spent:
        def ask(lane: int) -> Spent:
            with sandboxed():
                answer = child.call((batch, seconds), lane=lane, longest=24)
            numbers = np.frombuffer(bytes(answer), "<f8")
            if numbers.shape != (3,) or not (np.isfinite(numbers).all() and (numbers > 0).all()):
                raise DamagedFileError("the .tflite file is damaged: its runs cannot be counted")
            return Spent(int(numbers[0]), float(numbers[1]), float(numbers[2]), 1)

        lanes = list(pool.map(ask, range(threads)))
        wall = statistics.fmean(lane.wall_s for lane in lanes)
        cpu = sum(lane.cpu_s for lane in lanes)
        return Spent(sum(lane.count for lane in lanes), wall, cpu, threads)

    found = {}
    for batch in (1,) if file.one_row else BATCHES:
        found["run", batch, threads] = _bound(turn, batch)
        first = turn(batch)  # pays for caches and clocks
        if first.wall_s * threads * batch / first.count > _PATIENCE_S:
            break  # the next batch takes 8 times as long
    return found


def _bound(turn: Callable[[int], Spent], batch: int) -> Callable[[], Spent]:
    return lambda: turn(batch)


def serve_inferences(file: ModelFile, kernels: str) -> Callable[[Any], bytes]:
    """Handler of a child's lane: (batch, seconds) -> inferences, seconds, processor seconds."""
    runs: dict[int, Runner] = {}

    def handle(request: tuple[int, float]) -> bytes:
        batch, seconds = request
        if batch not in runs:
            runs[batch] = Runner(file, batch=batch, kernels=kernels)
        rng = np.random.default_rng(0)
        low, high = file.grid.tensor_low, file.grid.tensor_high
        drawn = rng.integers(low, high, (batch, *file.shape), endpoint=True)
        inputs: Stored = drawn.astype(file.grid.dtype)
        count, wall, cpu, spent = 0, time.perf_counter(), time.thread_time(), 0.0
        while not count or spent < seconds:  # once at least: a busy machine may take longer
            runs[batch](inputs)
            count, spent = count + batch, time.perf_counter() - wall
        return np.array([count, spent, time.thread_time() - cpu], "<f8").tobytes()

    return handle


# Votes and certificates


def _input(file: ModelFile) -> np.ndarray:
    """An input of no meaning: a vote takes as long whatever is in it."""
    grid = file.grid
    low, high = grid.tensor_low - grid.zero_point, grid.tensor_high - grid.zero_point
    drawn = np.random.default_rng(0).integers(low, high, file.shape, endpoint=True)
    return drawn.astype(np.int16)


def _votes(certifier: Certifier, threads: int, seconds: float) -> dict[Any, Callable[[], Spent]]:
    """Measurements of short requests, as many at a time as threads, and of long ones."""
    source, counter = certifier.prepare(_input(certifier.file)), certifier.counter

    def turn(request: int, at_once: int) -> Spent:
        def ask(_: int) -> int:
            count = 0
            while not count or time.perf_counter() - began < seconds:
                counter.count(source.tensor, key=(0, 0), purpose=Purpose.BOUND, count=request)
                count += request
            return count

        with ThreadPoolExecutor(at_once) as pool:
            cpu, began = counter.cpu_seconds(), time.perf_counter()
            count = sum(pool.map(ask, range(at_once)))
            wall = time.perf_counter() - began
        return Spent(count, wall, counter.cpu_seconds() - cpu, threads)

    first = turn(SHORT, threads)  # pays for caches and clocks
    fitting = int(_PATIENCE_S * first.count / first.wall_s) // SHORT * SHORT
    long = min(max(fitting, 2 * SHORT), LONG)
    return {
        ("votes", SHORT, threads): lambda: turn(SHORT, threads),
        ("votes", long, threads): lambda: turn(long, 1),
    }


def _certificates(certifier: Certifier) -> Callable[[], Spent]:
    """Measurement of certificates of two short requests each, with their journal."""
    settings = Settings(n0=SHORT, n=SHORT)
    x, threads = _input(certifier.file), certifier.counter.threads
    first = certifier.run(settings, x)  # pays for tables
    count = max(2 * threads, min(_CERTIFICATES, int(_PATIENCE_S / max(first.seconds, 1e-6))))
    plan = certifier.plan(settings, "", range(count))
    images = [Image(x, index, None, plan) for index in range(count)]

    def turn() -> Spent:
        with (
            tempfile.TemporaryDirectory() as folder,
            Journal(Path(folder) / "j", header(certifier, plan)) as journal,
        ):
            cpu, began = certifier.counter.cpu_seconds(), time.perf_counter()
            for certificate in run_here(certifier, settings, images):
                journal.append(certificate.to_json())
            wall = time.perf_counter() - began
            return Spent(count, wall, certifier.counter.cpu_seconds() - cpu, threads)

    return turn


def _beside_votes(spent: list[Spent], votes: tuple[Votes, ...]) -> float:
    """Seconds of a certificate that its votes do not explain, 0 or more."""
    most = max(row.threads for row in votes)
    (rate,) = (row.per_s for row in votes if (row.request, row.threads) == (SHORT, most))
    whole = statistics.median(s.wall_s / s.count for s in spent)
    return float(f"{max(whole - 2 * SHORT / rate, 0):.4g}")


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
