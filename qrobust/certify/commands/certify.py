"""``qrobust certify``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.commands.common import (
    add_common,
    bar,
    check_scale,
    guarded,
    with_examples,
)
from qrobust.certify.file.bundle import is_bundle
from qrobust.certify.file.model_file import load_model, read_model
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.certify.inputs import expected_by, load_inputs
from qrobust.certify.methods.settings import (
    ANYTIME,
    CLOPPER_PEARSON,
    CONFIDENCE_SEQUENCE,
    EARLY,
    METHODS,
    Settings,
)
from qrobust.certify.report.read import read_certificates
from qrobust.certify.report.summary import Share, Summary, counts
from qrobust.certify.report.tsv import write_tsv
from qrobust.certify.run.batch import Job, certify_dataset, plan_of
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.data import Data
from qrobust.certify.run.journal import is_stream
from qrobust.certify.run.keys import KeySource, plan_hash
from qrobust.certify.run.spec_in_force import settings_in_force
from qrobust.certify.run.votes import DEFAULT_BATCH, available_cores
from qrobust.terminal import show

#: More would only fill memory.
_MOST = {"workers": 256, "threads": 1024, "batch": 1 << 16}


def add_certify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``certify``; its handler is `run_certify`."""
    with_examples(
        parser,
        "qrobust certify model.tflite data.npz --out certificates.jsonl",
        "qrobust certify model.tflite photos/ --out photos.jsonl --n 1000",
        "qrobust certify model.tflite data.npz --out at32.jsonl --radius 32 --workers 4",
        "qrobust certify model.tflite data.npz --out in_time.jsonl --deadline 100",
        "qrobust certify model.tflite data.npz --print-plan",
    )
    parser.add_argument(
        "model", metavar="MODEL.tflite", help="fully integer classifier, or a .bundle of them"
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="inputs: .npz (x: grid integers or real numbers; y: classes, optional), .npy, a "
        "picture or WAV file, a folder of them or of classes, .csv; with --allow-code "
        "module:function",
    )
    parser.add_argument(
        "--out",
        metavar="CERTS.jsonl",
        help="journal of certificates; an unfinished one is resumed",
    )
    parser.add_argument(
        "--sigma",
        metavar="LSB",
        help="scale of the noise in input LSB (default: the file's smoothing spec)",
    )
    parser.add_argument("--noise", help="kind of noise: rounded_gaussian (default: the spec's)")
    parser.add_argument(
        "--method",
        choices=METHODS,
        metavar="METHOD",
        help=f"one of {', '.join(METHODS)}; default: what the file counts; where it draws noise "
        f"{EARLY} with --radius, {ANYTIME} with --gain, {CONFIDENCE_SEQUENCE} with --deadline, "
        f"else {CLOPPER_PEARSON}",
    )
    parser.add_argument("--n0", type=int, help="pilot samples (default: 100)")
    parser.add_argument(
        "--n", type=int, help="samples of the bound, or most (default: 10000; all views)"
    )
    parser.add_argument("--alpha", help="error probability (default: 0.001; 0 where views count)")
    parser.add_argument(
        "--radius", metavar="R", help="decide this radius only, in LSB (of patches: pixels)"
    )
    parser.add_argument(
        "--gain", metavar="SHARE", help="stop where n samples would gain less radius than this"
    )
    parser.add_argument(
        "--deadline",
        type=int,
        metavar="MS",
        help="so many milliseconds an image, by the clock: the best radius that its votes show by "
        "then, sound whenever it ends (n is the most: 1,000,000 by default)",
    )
    parser.add_argument("--seed", type=int, help="chosen keys, for experiments (default: derived)")
    parser.add_argument("--key", choices=("derived", "fresh"), help="where keys come from")
    parser.add_argument(
        "--nonce", help="witnessed keys: what was published after the hash of --print-plan"
    )
    parser.add_argument("--nonce-source", metavar="WHO", help="who published the nonce")
    parser.add_argument("--nonce-round", metavar="WHICH", help="which of their publications")
    parser.add_argument(
        "--print-plan", action="store_true", help="print the plan and its hash; certify nothing"
    )
    parser.add_argument(
        "--classes", type=int, metavar="N", help="that the file's N outputs are classes"
    )
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
    add_common(parser)


def run_certify(args: argparse.Namespace) -> int:
    """Certify a data set; return the exit status."""
    return guarded(lambda: _certify(args))


def _certify(args: argparse.Namespace) -> int:
    content = read_model(args.model)
    rows = None if args.limit is None else max(args.start, 0) + args.limit
    data = load_inputs(
        args.data,
        lambda: expected_by(content, args.fit),
        allow_code=args.allow_code,
        rows=rows,
    )
    indices = _chosen(data, args.start, args.limit)
    if args.workers < 1:
        raise CertifyError(f"--workers must be at least 1, received {args.workers}")
    for name, most in _MOST.items():
        value = getattr(args, name)
        if value is not None and value > most:
            raise CertifyError(f"--{name} must be at most {most}, received {value}")
    for option in ("sigma", "radius"):
        check_scale(f"--{option}", getattr(args, option))
    if args.nonce is None and (args.nonce_source or args.nonce_round):
        raise CertifyError("--nonce-source and --nonce-round go with --nonce")
    job = _job(args, content)
    if args.print_plan:
        return _print_plan(job, data, indices)
    if args.out is None:
        raise CertifyError("give --out CERTS.jsonl, the journal to write")
    started = time.perf_counter()
    fresh, certificates, streams = 0, [], is_stream(args.out)
    evaluations: list[int] = []
    results = certify_dataset(
        job,
        data,
        out=args.out,
        indices=indices,
        allow_constant=args.allow_constant,
        after=evaluations.append,
    )
    for certificate in _certify_progress(results, len(indices), args.quiet):
        fresh += certificate.samples
        if streams:
            certificates.append(certificate)
    seconds = time.perf_counter() - started
    if not streams:  # those of earlier runs, too
        wanted = set(indices)
        certificates = [c for c in read_certificates(args.out) if c.index in wanted]
    if args.tsv:
        write_tsv(certificates, args.tsv)
    summary = Summary(certificates, len(indices))
    if args.json:
        rate = {"samples_run": fresh, "seconds": round(seconds, 3), "out": args.out}
        rate |= {"evaluations": sum(evaluations)} if is_bundle(content) else {}
        print(json.dumps({**summary.to_json(), **rate}))
    else:
        show(summary.text())
        if fresh:
            print(f"{fresh / seconds:.0f} votes/s; certificates in {args.out}")
            if is_bundle(content):
                print(f"{sum(evaluations) / fresh:.2f} members a vote")
    return 0


def _job(args: argparse.Namespace, content: bytes) -> Job:
    return Job(
        model=content,
        settings=_settings(args, content),
        sigma=args.sigma,
        noise=args.noise,
        classes=args.classes,
        keys=KeySource.choose(
            seed=args.seed,
            key=args.key,
            nonce=args.nonce,
            source=args.nonce_source,
            round=args.nonce_round,
        ),
        kernels=args.kernels or "xnnpack",
        threads=max(1, available_cores() // args.workers) if args.threads is None else args.threads,
        batch_size=args.batch,
        workers=args.workers,
        trusted=args.trusted,
    )


def _settings(args: argparse.Namespace, content: bytes) -> Settings:
    """What file and command line ask for; a file that counts views leaves little to ask for."""
    spec = read_spec(content)
    counted = spec is not None and spec.counting is not None
    method = None if counted else EARLY if args.radius else ANYTIME if args.gain else None
    return settings_in_force(
        spec.smoothing(load_model(content, trusted=args.trusted).shape)
        if spec is not None and counted
        else None,
        method=args.method or method,
        n0=args.n0,
        n=args.n,
        alpha=args.alpha,
        radius=args.radius,
        gain=args.gain,
        deadline_ms=args.deadline,
    )


def _print_plan(job: Job, data: Data, indices: range) -> int:
    plan = plan_of(job, data, indices)
    print(json.dumps({"plan": plan, "plan_sha256": plan_hash(plan)}))
    return 0


def _chosen(data: Data, start: int, limit: int | None) -> range:
    if not 0 <= start < len(data):
        raise CertifyError(f"--start must lie in [0, {len(data)}), received {start}")
    if limit is not None and limit < 1:
        raise CertifyError(f"--limit must be at least 1, received {limit}")
    return range(start, len(data) if limit is None else min(len(data), start + limit))


def _certify_progress(
    results: Iterable[Certificate], total: int, quiet: bool
) -> Iterator[Certificate]:
    """Yield certificates under a bar with the share certified so far and a bound on it."""
    with bar(results, total, quiet, "image") as shown:
        images = certified = 0
        for certificate in shown:
            images += 1
            certified += counts(certificate)
            share = Share(Fraction(0), certified, images)
            shown.set_postfix_str(
                f"certified {share.value:.1%}, at least {share.interval[0]:.1%}; "
                f"last: {certificate.label} within {certificate.radius:.4g}"
            )
            yield certificate
