"""``qrobust audit``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.auditing.audit import AuditSettings, run_audit
from qrobust.certify.auditing.independent import INDEPENDENT
from qrobust.certify.auditing.offline import check_offline
from qrobust.certify.auditing.verdict import Verdict, Witness
from qrobust.certify.commands.common import MISMATCH, add_common, bar, guarded, with_examples
from qrobust.certify.file.model_file import read_model
from qrobust.certify.inputs import expected_by, load_inputs
from qrobust.terminal import show


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``audit``; its handler is `run_audit_command`."""
    with_examples(
        parser,
        "qrobust audit certificates.jsonl --offline",
        "qrobust audit certificates.jsonl model.tflite data.npz",
        "qrobust audit certificates.jsonl model.tflite data.npz --sample 20 --independent numpy",
        "qrobust audit certificates.jsonl model.tflite data.npz --fresh-seed 6011740326214358",
    )
    parser.add_argument("journal", metavar="CERTS.jsonl", help="certificates to check")
    parser.add_argument(
        "model", nargs="?", metavar="MODEL.tflite", help="the model (or bundle) they are about"
    )
    parser.add_argument("data", nargs="?", metavar="DATA", help="the data they are about")
    parser.add_argument(
        "--offline", action="store_true", help="check every line without model and data"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="K", help="re-run one in K, drawn at random"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="re-run N, drawn at random")
    parser.add_argument(
        "--draw-seed", type=int, metavar="S", help="repeat the draw of an earlier audit"
    )
    parser.add_argument(
        "--fresh-seed", type=int, metavar="S", help="estimate again with a key of your own"
    )
    parser.add_argument(
        "--fresh-n", type=int, metavar="N", help="samples of that estimate (default: the plan's n)"
    )
    parser.add_argument(
        "--gamma", default="0.01", help="chance of refuting any true line (default: 0.01)"
    )
    parser.add_argument(
        "--beta", default="0.01", help="of statements about all lines together (default: 0.01)"
    )
    parser.add_argument(
        "--independent",
        choices=sorted(INDEPENDENT),
        help="draw votes again with the checker's own sampler and another implementation (slow)",
    )
    parser.add_argument("--nonce", help="that you got from where it was published")
    parser.add_argument("--plan-hash", metavar="H", help="that was published before the nonce")
    add_common(parser)


def run_audit_command(
    args: argparse.Namespace, then: Callable[[Verdict], None] | None = None
) -> int:
    """Audit a journal; return the exit status.

    Args:
        args: of the command line.
        then: says more of a journal that stands.
    """
    return guarded(lambda: _audit(args, then))


def _audit(args: argparse.Namespace, then: Callable[[Verdict], None] | None) -> int:
    settings = AuditSettings(
        every=args.every,
        sample=args.sample,
        draw_seed=args.draw_seed,
        fresh_seed=args.fresh_seed,
        fresh_n=args.fresh_n,
        gamma=rational(args.gamma, "--gamma"),
        beta=rational(args.beta, "--beta"),
        independent=args.independent,
        kernels=args.kernels,
        threads=args.threads,
    )
    if args.offline and (args.fresh_seed is not None or args.independent):
        raise CertifyError("--offline runs no model; leave --fresh-seed and --independent out")
    if not args.offline and (args.model is None or args.data is None):
        raise CertifyError("give MODEL.tflite and DATA.npz, or --offline to do without them")
    checked = check_offline(args.journal)
    audited = None
    if not args.offline:
        content = read_model(args.model)
        data = load_inputs(
            args.data, lambda: expected_by(content, args.fit), allow_code=args.allow_code
        )

        def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
            with bar(items, total, args.quiet, "certificate") as shown:
                yield from shown

        audited = run_audit(checked, content, data, settings, progress=progress)
    verdict = Verdict(checked, audited, Witness(args.nonce, args.plan_hash), settings.beta)
    if args.json:
        print(json.dumps(verdict.to_json()))
    else:
        show(verdict.text())
    if then is not None and verdict.stands:
        then(verdict)
    return 0 if verdict.stands else MISMATCH
