"""The command lines ``certify`` and ``audit``, thin shells around the library.

Exit status: 0 when all is well, 1 when an audit finds a certificate that does not reproduce,
2 for bad input (one line on standard error), 130 when interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from qrobust.certify.audit import audit
from qrobust.certify.batch import Job, certify_dataset
from qrobust.certify.certificate import Certificate
from qrobust.certify.data import Data, load_data
from qrobust.certify.errors import CertifyError
from qrobust.certify.journal import read_lines
from qrobust.certify.model import KERNELS, read_model
from qrobust.certify.probe import probe
from qrobust.certify.summary import Summary
from qrobust.certify.votes import DEFAULT_BATCH, available_cores

T = TypeVar("T")

INTERRUPTED = 130
BAD_INPUT = 2
MISMATCH = 1


def add_certify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``certify``; its handler is `run_certify`."""
    parser.add_argument("model", metavar="MODEL.tflite", help="fully integer classifier")
    parser.add_argument(
        "data", metavar="DATA.npz", help="x: grid integers or real numbers; y: classes, optional"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="CERTS.jsonl",
        help="journal of certificates; an unfinished one is resumed",
    )
    parser.add_argument(
        "--sigma",
        metavar="LSB",
        help="scale of the noise in input LSB (default: the file's smoothing spec)",
    )
    parser.add_argument("--n0", type=int, default=100, help="pilot samples (default: 100)")
    parser.add_argument(
        "--n", type=int, default=10_000, help="samples of the bound (default: 10000)"
    )
    parser.add_argument("--alpha", default="0.001", help="error probability (default: 0.001)")
    parser.add_argument("--seed", type=int, default=0, help="of the random streams (default: 0)")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes, which share the cores (default: 1)"
    )
    parser.add_argument("--start", type=int, default=0, help="first image (default: 0)")
    parser.add_argument("--limit", type=int, help="how many images (default: all)")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH, help="inputs per invoke")
    _add_common(parser)


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``audit``; its handler is `run_audit`."""
    parser.add_argument("journal", metavar="CERTS.jsonl", help="certificates to check")
    parser.add_argument("model", metavar="MODEL.tflite", help="the model they are about")
    parser.add_argument("data", metavar="DATA.npz", help="the data they are about")
    parser.add_argument(
        "--every", type=int, default=1, metavar="K", help="re-run one in K (default: all)"
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="of one process (default: its cores)")
    parser.add_argument("--kernels", choices=sorted(KERNELS), help="LiteRT kernel family")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run_certify(args: argparse.Namespace) -> int:
    """Certify a data set; return the exit status."""
    return _guarded(lambda: _certify(args))


def run_audit(args: argparse.Namespace) -> int:
    """Re-run the certificates of a journal; return the exit status."""
    return _guarded(lambda: _audit(args))


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except CertifyError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED


def _certify(args: argparse.Namespace) -> int:
    content = read_model(args.model)
    data = load_data(args.data)
    indices = _chosen(data, args.start, args.limit)
    if args.workers < 1:
        raise CertifyError(f"--workers must be at least 1, received {args.workers}")
    probe(content)
    job = Job(
        model=content,
        sigma=args.sigma,
        seed=args.seed,
        n0=args.n0,
        n=args.n,
        alpha=args.alpha,
        kernels=args.kernels or "xnnpack",
        threads=args.threads or max(1, available_cores() // args.workers),
        batch_size=args.batch,
    )
    started = time.perf_counter()
    fresh = 0
    with _executor(args.workers) as executor:
        results = certify_dataset(
            job, data, out=args.out, indices=indices, executor=executor, window=2 * args.workers
        )
        for certificate in _progress(results, len(indices), args.quiet, "image"):
            fresh += certificate.samples
    seconds = time.perf_counter() - started
    wanted = set(indices)
    summary = Summary(c for c in _certificates(args.out) if c.index in wanted)
    if args.json:
        rate = {"samples_run": fresh, "seconds": round(seconds, 3), "out": args.out}
        print(json.dumps({**summary.to_json(), **rate}))
    else:
        print(summary.text())
        if fresh:
            print(f"{fresh / seconds:.0f} votes/s; certificates in {args.out}")
    return 0


def _audit(args: argparse.Namespace) -> int:
    content = read_model(args.model)
    data = load_data(args.data)
    total = max(sum(1 for _ in read_lines(args.journal, chained=False)) - 1, 0)
    probe(content)
    findings = audit(
        args.journal,
        content,
        data,
        every=args.every,
        kernels=args.kernels,
        threads=args.threads,
    )
    failed = []
    checked = 0
    for finding in _progress(findings, total, args.quiet, "certificate"):
        checked += 1
        if not finding.reproduced:
            failed.append(finding)
    if args.json:
        lines = [{"line": f.line, "index": f.index, "reason": f.reason} for f in failed]
        print(json.dumps({"certificates": total, "failed": lines}))
    else:
        for finding in failed:
            print(f"line {finding.line}, image {finding.index}: {finding.reason}")
        print(f"{total} certificates, {len(failed)} do not stand")
    return MISMATCH if failed else 0


def _chosen(data: Data, start: int, limit: int | None) -> range:
    if not 0 <= start < len(data):
        raise CertifyError(f"--start must lie in [0, {len(data)}), received {start}")
    if limit is not None and limit < 1:
        raise CertifyError(f"--limit must be at least 1, received {limit}")
    return range(start, len(data) if limit is None else min(len(data), start + limit))


@contextmanager
def _executor(workers: int) -> Iterator[Executor | None]:
    if workers == 1:
        yield None
        return
    # Interpreters have threads of their own: forking them is not safe.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield executor


def _progress(items: Iterable[T], total: int, quiet: bool, unit: str) -> Iterator[T]:
    from tqdm import tqdm

    bar: Any = tqdm(items, total=total, unit=unit, disable=quiet or None, file=sys.stderr)
    with bar:
        yield from bar


def _certificates(path: str) -> Iterator[Certificate]:
    for line in read_lines(path):
        if line.number > 1:
            yield Certificate.from_json(line.value)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m qrobust.certify``: certify, or ``audit`` as the first word."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["audit"]:
        parser = argparse.ArgumentParser(
            prog="python -m qrobust.certify audit", description="Re-run certificates."
        )
        add_audit_arguments(parser)
        return run_audit(parser.parse_args(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog="python -m qrobust.certify",
        description="Certify an integer .tflite classifier by randomized smoothing.",
        epilog="To check certificates: python -m qrobust.certify audit --help",
    )
    add_certify_arguments(parser)
    return run_certify(parser.parse_args(arguments))
