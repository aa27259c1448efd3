"""The command lines ``certify``, ``audit`` and ``report``: thin shells around the library.

Exit status: 0 when all is well, 1 when an audit finds a certificate that does not reproduce,
2 for bad input (one line on standard error), 130 when interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import KERNELS, read_model
from qrobust.certify.methods.settings import ANYTIME, CLOPPER_PEARSON, METHODS, SEQUENTIAL
from qrobust.certify.report.summary import Share, Summary
from qrobust.certify.report.tsv import write_tsv
from qrobust.certify.report.write_report import write_report
from qrobust.certify.run.audit import audit
from qrobust.certify.run.batch import Job, certify_dataset
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.data import Data, load_data
from qrobust.certify.run.journal import read_lines
from qrobust.certify.run.votes import DEFAULT_BATCH, available_cores
from tflite_export.printable import one_line

T = TypeVar("T")
_Add = Callable[[argparse.ArgumentParser], None]
_Run = Callable[[argparse.Namespace], int]

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
    parser.add_argument("--noise", help="kind of noise (default: the spec's, or rounded_gaussian)")
    parser.add_argument(
        "--method",
        choices=METHODS,
        help=f"default: {SEQUENTIAL} with --radius, {ANYTIME} with --gain, else {CLOPPER_PEARSON}",
    )
    parser.add_argument("--n0", type=int, default=100, help="pilot samples (default: 100)")
    parser.add_argument(
        "--n", type=int, default=10_000, help="samples of the bound, or most (default: 10000)"
    )
    parser.add_argument("--alpha", default="0.001", help="error probability (default: 0.001)")
    parser.add_argument(
        "--radius", metavar="R", help="decide this radius only, in LSB (L0: pixels)"
    )
    parser.add_argument(
        "--gain", metavar="SHARE", help="stop where n samples would gain less radius than this"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random streams (default: 0)")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes, which share the cores (default: 1)"
    )
    parser.add_argument("--start", type=int, default=0, help="first image (default: 0)")
    parser.add_argument("--limit", type=int, help="how many images (default: all)")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH, help="inputs per invoke")
    parser.add_argument("--tsv", metavar="FILE", help="also write Cohen et al.'s table")
    parser.add_argument(
        "--trusted",
        action="store_true",
        help="run the model in this process; only files of tflite_export (default: in its own)",
    )
    parser.add_argument(
        "--allow-constant", action="store_true", help="certify a model that never changes its mind"
    )
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


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``; its handler is `run_report`."""
    parser.add_argument("journals", nargs="+", metavar="[NAME=]CERTS.jsonl", help="runs to compare")
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write the report")
    parser.add_argument("--radii", nargs="+", metavar="R", help="of the table, in LSB (L0: pixels)")


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


def run_report(args: argparse.Namespace) -> int:
    """Write a report of one or more journals; return the exit status."""
    return _guarded(lambda: _report(args))


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except CertifyError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
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
    method = SEQUENTIAL if args.radius else ANYTIME if args.gain else CLOPPER_PEARSON
    job = Job(
        model=content,
        sigma=args.sigma,
        noise=args.noise,
        seed=args.seed,
        n0=args.n0,
        n=args.n,
        alpha=args.alpha,
        method=args.method or method,
        radius=args.radius,
        gain=args.gain,
        kernels=args.kernels or "xnnpack",
        threads=args.threads or max(1, available_cores() // args.workers),
        batch_size=args.batch,
        workers=args.workers,
        trusted=args.trusted,
    )
    started = time.perf_counter()
    fresh = 0
    results = certify_dataset(
        job, data, out=args.out, indices=indices, allow_constant=args.allow_constant
    )
    for certificate in _certify_progress(results, len(indices), args.quiet):
        fresh += certificate.samples
    seconds = time.perf_counter() - started
    wanted = set(indices)
    certificates = [c for c in read_certificates(args.out) if c.index in wanted]
    if args.tsv:
        write_tsv(certificates, args.tsv)
    summary = Summary(certificates)
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
    findings = audit(
        args.journal,
        content,
        data,
        every=args.every,
        kernels=args.kernels,
        threads=args.threads,
    )
    with _bar(findings, total, args.quiet, "certificate") as bar:
        failed = [finding for finding in bar if not finding.reproduced]
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


def _bar(items: Iterable[T], total: int, quiet: bool, unit: str) -> Any:
    from tqdm import tqdm

    # None: no bar where standard error is not a terminal.
    return tqdm(items, total=total, unit=unit, disable=quiet or None, file=sys.stderr)


def _certify_progress(
    results: Iterable[Certificate], total: int, quiet: bool
) -> Iterator[Certificate]:
    """Yield certificates under a bar with the share certified so far and a bound on it."""
    with _bar(results, total, quiet, "image") as bar:
        images = certified = 0
        for certificate in bar:
            images += 1
            certified += not certificate.abstained and certificate.correct is not False
            share = Share(Fraction(0), certified, images)
            bar.set_postfix_str(
                f"certified {share.value:.1%}, at least {share.interval[0]:.1%}; "
                f"last: {certificate.label} within {certificate.radius:.4g}"
            )
            yield certificate


def _report(args: argparse.Namespace) -> int:
    runs = {}
    for text in args.journals:
        name, _, path = text.rpartition("=")
        runs[name or Path(path).stem] = list(read_certificates(path))
    for path in write_report(runs, args.out, radii=args.radii):
        print(path)
    return 0


def read_certificates(path: str) -> Iterator[Certificate]:
    """Yield the certificates of a journal; `CertifyError` where it is damaged."""
    for line in read_lines(path):
        if line.number > 1:
            yield Certificate.from_json(line.value)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``python -m qrobust.certify``: certify, or the command named first."""
    arguments = sys.argv[1:] if arguments is None else arguments
    program = "python -m qrobust.certify"
    commands: dict[str, tuple[_Add, _Run, str]] = {
        "audit": (add_audit_arguments, run_audit, "Run certificates again and compare."),
        "report": (add_report_arguments, run_report, "Plot and tabulate certificates."),
    }
    if arguments and arguments[0] in commands:
        add, run, description = commands[arguments[0]]
        parser = argparse.ArgumentParser(prog=f"{program} {arguments[0]}", description=description)
        add(parser)
        return run(parser.parse_args(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog=program,
        description="Certify an integer .tflite classifier by randomized smoothing.",
        epilog=f"See also: {program} audit --help, {program} report --help",
    )
    add_certify_arguments(parser)
    return run_certify(parser.parse_args(arguments))
