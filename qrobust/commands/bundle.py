"""``qrobust bundle``."""

import argparse
from pathlib import Path
from typing import Any

from tflite_export.atomic import write_bytes

HELP = "put several .tflite files that answer together into one file with one hash"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models",
        type=Path,
        nargs="+",
        metavar="MODEL.tflite",
        help="the members, in their order; with --draws one .keras whose weights are distributions",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT.bundle", help="the file to write"
    )
    parser.add_argument(
        "--rule",
        choices=("adaptive", "consensus", "draw"),
        default="adaptive",
        help="stop at a margin; stop where the first agree; or draw a member for every noisy copy "
        "(default: adaptive)",
    )
    parser.add_argument(
        "--weights", type=int, nargs="+", metavar="W", help="whole numbers (default: all 1)"
    )
    parser.add_argument(
        "--thresholds",
        type=int,
        nargs="+",
        metavar="T",
        help="of adaptive: the margin at which to stop after each member but the last, in steps of "
        "the weighted logits",
    )
    parser.add_argument(
        "--first", type=int, metavar="K", help="of consensus: members asked first (default: 2)"
    )
    parser.add_argument(
        "--draws", type=int, metavar="K", help="export K networks of a .keras: --rule draw"
    )
    parser.add_argument(
        "--learn",
        type=Path,
        metavar="DATA",
        help="weights, order and thresholds from training images that no member was trained on",
    )
    parser.add_argument(
        "--disagreement",
        type=float,
        metavar="SHARE",
        help="of noisy copies that may stop with another class than all members give "
        "(default: 0.01)",
    )
    parser.add_argument(
        "--sigma",
        metavar="LSB",
        help="noise to learn under (default: that of the files' spec); of --draws: for their spec",
    )
    parser.add_argument(
        "--copies", type=int, default=4, metavar="N", help="noisy, of each image (default: 4)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the noise, or of --draws (default: 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the bundle, and say how it answers."""
    from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle
    from qrobust.certify.file.bundle_file import open_model
    from qrobust.certify.file.model_file import read_model
    from qrobust.certify.file.smoothing_spec import read_spec

    if args.out.suffix != ".bundle":
        raise ValueError(f"--out is a .bundle file. Received: {args.out}")
    for option, rule in (("thresholds", ADAPTIVE), ("first", CONSENSUS)):
        if getattr(args, option) is not None and args.rule != rule:
            raise ValueError(f"--{option} is of --rule {rule}. Received: --rule {args.rule}")
    if args.draws is not None:
        files = _drawn(args)
        args.rule, args.models = DRAW, [Path(f"draw {k}") for k in range(args.draws)]
    else:
        files = [read_model(path) for path in args.models]
    if args.learn is not None:
        bundle, names = _learned(args, files)
    else:
        if args.rule == ADAPTIVE and args.thresholds is None and len(files) > 1:
            raise ValueError("give --thresholds, or --learn DATA to find them")
        for option in ("sigma", "disagreement"):
            if args.draws is None and getattr(args, option) is not None:
                raise ValueError(f"--{option} goes with --learn")
        first = min(2, len(files)) if args.first is None else args.first
        bundle = Bundle(
            args.rule,
            tuple(files),
            tuple(args.weights or [1] * len(files)),
            tuple(args.thresholds or ()),
            first if args.rule == CONSENSUS else 0,
        )
        names = [str(path) for path in args.models]
    content = bundle.to_bytes()
    open_model(content)  # members that do not go together are refused before anything is written
    read_spec(content)
    write_bytes(args.out, content)
    for number, (name, weight) in enumerate(zip(names, bundle.weights, strict=True)):
        stop = f", stops at {bundle.thresholds[number]}" if number < len(bundle.thresholds) else ""
        print(f"{name}: weight {weight}{stop}")
    first = f", first {bundle.first}" if bundle.first else ""
    print(f"{args.out}: {bundle.rule}{first}, {len(content):,} bytes, sha256 {bundle.sha256}")
    return 0


def _drawn(args: argparse.Namespace) -> list[bytes]:
    """Networks of a model whose weights are distributions, exported."""
    if len(args.models) != 1 or args.learn is not None or args.weights is not None:
        raise ValueError("--draws takes one .keras, and no --learn or --weights: draws are equal")
    from qrobust.certify import SmoothingSpec, attach_spec
    from qrobust.ensembles import draw_members
    from qrobust.load_keras import load_keras
    from tflite_export import export

    files = []
    for member in draw_members(load_keras(args.models[0]), args.draws, seed=args.seed):
        content = export(member).tflite
        if args.sigma is not None:
            spec = SmoothingSpec.for_model(content, sigma=args.sigma)
            content = attach_spec(content, spec)
        files.append(content)
    return files


def _learned(args: argparse.Namespace, files: list[bytes]) -> tuple[Any, list[str]]:
    from qrobust.certify.inputs import expected_by, load_inputs
    from qrobust.ensembles.learn_bundle import DISAGREEMENT, learn_bundle

    for option in ("weights", "thresholds"):
        if getattr(args, option) is not None:
            raise ValueError(f"--{option} or --learn, not both: what is learned is not given")
    if args.rule == "draw":
        raise ValueError("draws have no weights to learn; give --weights, or leave them equal")
    data = load_inputs(str(args.learn), lambda: expected_by(files[0]))
    if data.y is None:
        raise ValueError(f"'{args.learn}' holds no y. A bundle is learned from true classes.")
    found = learn_bundle(
        files,
        data.x,
        data.y,
        _sigma(args, files[0]),
        rule=args.rule,
        first=2 if args.first is None else args.first,
        disagreement=DISAGREEMENT if args.disagreement is None else args.disagreement,
        copies=args.copies,
        seed=args.seed,
    )
    print(
        f"learned on {found.learned.copies} noisy copies: {found.evaluations:.2f} members a copy "
        f"of {len(found.order)}, {found.disagreement:.2%} other than all together"
    )
    for number, weight in enumerate(found.learned.weights):
        if not weight:
            print(f"{args.models[number]}: weight 0, left out")
    return found.bundle, [str(args.models[i]) for i in found.order]


def _sigma(args: argparse.Namespace, content: bytes) -> str:
    from qrobust.certify.arithmetic.exact_numbers import text
    from qrobust.certify.file.smoothing_spec import read_spec

    spec = read_spec(content)
    if args.sigma is not None:
        return str(args.sigma)
    if spec is None or spec.sigma is None:
        raise ValueError("the files name no noise; give --sigma, in LSB of the input")
    return text(spec.sigma)
