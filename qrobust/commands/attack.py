"""``qrobust attack``."""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.commands.common import add_reading, check_scale
from qrobust.certify.inputs.named_code import is_module_function
from qrobust.commands.inputs import DATA_HELP, add_label, labels_of, load_for
from qrobust.commands.verify import add_boxes
from qrobust.load_keras import is_keras, load_keras
from qrobust.quiet import quiet_imports

HELP = "attack a .keras (white box) or a .tflite (black box) and report what is left of it"
_BROKEN = 1
# 128 / 255 = 0.5 in L2, 8 / 255 in L-inf: what papers report.
_EPSILON = {"linf": 8.0, "l2": 128.0, "l1": 255.0, "l0": 4.0, "patch": 3.0}
_SPARSE = ("l1", "l0", "patch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="a .keras, .h5 or .tflite file; or module:function that returns a Keras model",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help=DATA_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="REPORT.json",
        help="also written: REPORT.md, REPORT.curve.png, REPORT.pictures.png",
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        metavar="LSB",
        help="in input steps (default: 8; with --norm l2 128, l1 255); with --norm l0 pixels (4), "
        "with patch a square's side (3)",
    )
    parser.add_argument(
        "--norm",
        choices=("linf", "l2", *_SPARSE),
        default="linf",
        help="of the ball (default: linf); l1, l0 and patch: few changes, place and content",
    )
    parser.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="the first N (default: 200, with --full 1000; of --certificates: all)",
    )
    parser.add_argument("--full", action="store_true", help="the long suite: hours, not minutes")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument(
        "--smooth",
        type=float,
        metavar="SIGMA",
        help="with a .keras: attack the smoothed classifier, noise of SIGMA input steps, through "
        "the mean over noisy copies (EOT)",
    )
    parser.add_argument(
        "--draws", type=int, default=16, metavar="N", help="noisy copies for --smooth (default: 16)"
    )
    parser.add_argument(
        "--surrogate",
        "--model-keras",
        type=Path,
        metavar="X.keras",
        help="with a .tflite: also transfer from this model, and its gradients for --certificates",
    )
    parser.add_argument(
        "--certificates",
        type=Path,
        metavar="CERTS.jsonl",
        help="with a .tflite and --surrogate: attack within the certified radii; a journal of "
        "proofs or of counted views is attacked in its own region, without a surrogate",
    )
    parser.add_argument("--mask", type=Path, metavar="MASK.npy", help="of proofs in a masked box")
    parser.add_argument(
        "--bit-flips",
        type=int,
        metavar="N",
        help="of a .tflite: no changed inputs but up to N flipped bits of weights and activations, "
        "along gradients, and up to 64 N at random; reads 128 images behind --images to search on",
    )
    parser.add_argument(
        "--storage",
        choices=("file", "c99"),
        help="where --bit-flips finds weights: in the file's bytes (default), or in the 2, 4 or 8 "
        "bits of the C that export --c99 writes",
    )
    add_boxes(parser)
    add_reading(parser)
    add_label(parser)
    parser.add_argument(
        "--trusted",
        action="store_true",
        help="run a .tflite in this process; only files of tflite_export (default: in its own)",
    )


def run(args: argparse.Namespace) -> int:
    """Attack and report; the exit status is 1 when a certificate is broken."""
    from qrobust.commands import verify
    from qrobust.commands.attack_bit_flips import run_bit_flips
    from qrobust.commands.attack_counts import is_count_journal, run_counts
    from qrobust.commands.pixel_bounds import is_bounds_journal, run_bounds_attack

    if args.bit_flips is not None:
        return run_bit_flips(args)
    if args.storage is not None:
        raise ValueError("--storage goes with --bit-flips.")
    if args.certificates is not None and is_bounds_journal(args.certificates):
        return run_bounds_attack(args)
    if args.certificates is not None and verify.is_proof_journal(args.certificates):
        return verify.run_cross_examination(args)
    if (args.mask, args.box, args.reach) != (None, None, None):
        raise ValueError("--mask, --box and --reach go with --certificates PROOFS.jsonl, proofs.")
    if args.certificates is not None and is_count_journal(args.certificates):
        return run_counts(args)
    from qrobust.attacks.evaluation.report import check_path
    from qrobust.attacks.ground.budget import Budget

    epsilon = _EPSILON[args.norm] if args.epsilon is None else args.epsilon
    budget = Budget(epsilon, args.norm)
    if args.norm in _SPARSE and (args.surrogate, args.certificates) != (None, None):
        raise ValueError(
            f"--norm {args.norm} searches without gradients: leave out --surrogate; certificates "
            f"are attacked in their own norm: leave out --norm."
        )
    check_path(args.out)
    check_scale("--smooth", args.smooth)
    content, model = _read(args)
    known = args.model if model is None else model
    data = load_for(args.data, known, args.fit, allow_code=args.allow_code, rows=args.images)
    truth = labels_of(data, args, "An attack needs the true ones.")
    images = args.images if args.images is not None else (1000 if args.full else 200)
    if images < 1:
        raise ValueError(f"--images is at least 1. Received: {images}")
    if not args.out.parent.is_dir():
        raise ValueError(f"'{args.out.parent}' is no folder for --out. Make it first.")
    x, y = data.x[:images], truth[:images]
    with quiet_imports():
        from qrobust.attacks.evaluation import report, suite
        from qrobust.attacks.evaluation.sparse_evaluation import sparse_evaluation
        from qrobust.attacks.evaluation.standard_worst_case import standard_worst_case
        from qrobust.attacks.ground.search import Search
    given = None if args.certificates is None else _read_certificates(args, content, data)
    options: dict[str, Any] = {"full": args.full, "seed": args.seed}
    target, surrogate = _targets(args, model)
    extra: dict[str, Any] = {}
    if surrogate is not None:
        _check_surrogate(args, target, surrogate)
    if args.norm in _SPARSE:
        attacks, curve = sparse_evaluation(target, x, y, budget, **options)
    elif model is not None:
        attacks = list(_progress(suite.white_box(target, x, y, budget, **options)))
        masking = suite.masking_suite(target, x, y, budget, **options)
        attacks += masking.attacks
        extra["checks"] = masking.checks
    else:
        attacks = list(_progress(suite.black_box(target, x, y, budget, **options)))
        if surrogate is not None:
            shown = suite.transferred(target, surrogate, x, y, budget, **options)
            attacks += _progress(shown)
            masking = suite.masking_suite(surrogate, x, y, budget, **options)
            extra |= {"checks": masking.checks, "checked": surrogate.name}
    if args.smooth is None and args.norm not in _SPARSE:
        standard = standard_worst_case(target, x, y, budget, surrogate=surrogate, seed=args.seed)
        attacks += standard.attacks
        extra["standard"] = standard
    if given is not None:
        attacked, broken = _certificates(given, content, surrogate, data, args.seed, args.trusted)
        extra |= {"attacked_certificates": attacked, "broken": broken}
    if args.norm not in _SPARSE:
        curve = suite.robustness_curve(target, x, y, attacks, budget, seed=args.seed)
    evaluation = report.Evaluation(
        model=target.name,
        sha256=hashlib.sha256(content).hexdigest(),
        clean_accuracy=float(1 - Search(target, x, y, None).fallen.mean()),
        budget=budget,
        span=target.grid.span,
        seed=args.seed,
        full=args.full,
        attacks=attacks,
        curve=curve,
        **extra,
    )
    written = report.write(evaluation, args.out)
    print(evaluation.markdown())
    print(f"written: {', '.join(map(str, written))}")
    return _BROKEN if evaluation.broken else 0


def _read(args: argparse.Namespace) -> tuple[bytes, Any]:
    """What reports name the digest of, and the model where it is one of Keras."""
    from qrobust.certify.file.model_file import read_model

    is_file = not is_keras(args.model)
    for option in ("surrogate", "certificates"):
        if getattr(args, option) is not None and not is_file:
            raise ValueError(f"--{option} goes with a .tflite. Received: {args.model}")
    if args.smooth is not None and is_file:
        raise ValueError(f"--smooth goes with a .keras or .h5. Received: {args.model}")
    if args.certificates is not None and args.surrogate is None:
        raise ValueError(
            "--certificates needs --surrogate X.keras, the model of the file: a .tflite has no "
            "gradients."
        )
    model: Any = None if is_file else load_keras(args.model, allow_code=args.allow_code)
    if is_module_function(args.model):
        weights = [np.ascontiguousarray(weight).tobytes() for weight in model.get_weights()]
        return b"".join([model.to_json().encode(), *weights]), model
    if is_file:
        return read_model(args.model), model
    try:
        return args.model.read_bytes(), model
    except OSError as error:
        raise ValueError(f"cannot read the model '{args.model}': {error.strerror}") from None


def _targets(args: argparse.Namespace, model: Any) -> tuple[Any, Any]:
    from qrobust.attacks import KerasTarget, SmoothedTarget, TFLiteTarget

    if model is not None:
        keras_target = KerasTarget(model, name=args.model.name)
        if args.smooth is None:
            return keras_target, None
        smoothed = SmoothedTarget(keras_target, sigma=args.smooth, draws=args.draws, seed=args.seed)
        return smoothed, None
    counted = _counted_target(args)
    if counted is not None:
        return counted, None
    target = TFLiteTarget(args.model, name=args.model.name, trusted=args.trusted)
    if args.surrogate is None:
        return target, None
    other = load_keras(args.surrogate, allow_code=args.allow_code)
    return target, KerasTarget(other, grid=target.grid, name=args.surrogate.name)


def _counted_target(args: argparse.Namespace) -> Any:
    """The winner of all views of a file that counts them; None where the file itself is attacked.

    A file of 2 C channels classifies pictures of C channels in no other way. Splits keep the shape:
    there few changes meet the classifier that was certified, other norms the file alone.
    """
    from qrobust.attacks import CountedTarget
    from qrobust.certify import Certifier, read_spec

    spec = read_spec(args.model)
    if spec is None or spec.counting is None:
        return None
    if spec.noise == "splits" and args.norm not in _SPARSE:
        return None
    if args.surrogate is not None:
        raise ValueError(f"'{args.model}' counts {spec.noise}: no surrogate shows its gradients.")
    return CountedTarget(Certifier(args.model, trusted=args.trusted), name=args.model.name)


def _check_surrogate(args: argparse.Namespace, target: Any, surrogate: Any) -> None:
    if (surrogate.shape, surrogate.classes) != (target.shape, target.classes):
        raise ValueError(
            f"'{args.surrogate}' takes {surrogate.shape} and knows {surrogate.classes} classes, "
            f"'{args.model}' {target.shape} and {target.classes}. Give a surrogate of the same."
        )


def _read_certificates(args: argparse.Namespace, content: bytes, data: Any) -> tuple[Any, Any]:
    """The header and the certificates to attack; before the hours that attacks take."""
    from qrobust.attacks.evaluation.attack_certificates import attackable
    from qrobust.certify import check_offline

    checked = check_offline(args.certificates)
    for key, digest, path in (
        ("model_sha256", hashlib.sha256(content).hexdigest(), args.model),
        ("data_sha256", data.sha256, args.data),
    ):
        if checked.head.plan[key] != digest:
            raise ValueError(f"'{args.certificates}' is about another file than '{path}'.")
    bad = {finding.line for finding in checked.failed}
    if bad:
        print(
            f"{len(bad)} lines of '{args.certificates}' do not follow from their votes; they are "
            f"attacked all the same: see qrobust audit --offline",
            file=sys.stderr,
        )
    chosen = [c for c in checked.certificates.values() if c.index < (args.images or len(data))]
    return checked.head, attackable(chosen)


def _certificates(
    given: tuple[Any, Any], content: bytes, surrogate: Any, data: Any, seed: int, trusted: bool
) -> Any:
    from qrobust.attacks.evaluation.attack_certificates import attack_certificates
    from qrobust.certify import Certifier

    head, certificates = given
    with Certifier(
        content,
        sigma=head.plan["sigma"],
        noise=head.plan["noise"],
        classes=head.plan.get("classes") or len(certificates[0].votes),
        seed=(head.keys.seed or 0) + 1,
        trusted=trusted,
    ) as certifier:
        return attack_certificates(certifier, surrogate, data.x, certificates, seed=seed)


def _progress(attacks: Iterable[Any]) -> Iterator[Any]:
    from tqdm import tqdm

    bar = tqdm(attacks, unit=" attacks")
    for attack in bar:
        bar.set_postfix_str(f"{attack.name}: {attack.accuracy:.1%}")
        yield attack
