"""``qrobust bundle``."""

import argparse
from pathlib import Path
from typing import Any

from qrobust.commands.c_sizes import arena_sizes, table_bytes
from qrobust.commands.combining import add_combining, check_combining, data_to_learn
from tflite_export.atomic import write_bytes

HELP = "put several .tflite files that answer together into one file with one hash"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_combining(
        parser,
        members=(
            "MODEL.tflite",
            "the members, in their order; with --draws one .keras whose weights are distributions",
        ),
        out="OUT.bundle",
        rules=("adaptive", "consensus", "draw"),
        rule="stop at a margin; stop where the first agree; or draw a member for every noisy copy",
        learn="weights, order and thresholds",
        sigma="that of the files' spec); of --draws: for their spec",
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
        "--disagreement",
        type=float,
        metavar="SHARE",
        help="of noisy copies that may stop with another class than all members give "
        "(default: 0.01)",
    )
    parser.add_argument(
        "--c99",
        type=Path,
        metavar="DIR",
        help="also write members, rule and certifier as C99; members have radius tables, as of "
        "export's --table, or sequential tests",
    )
    parser.add_argument(
        "--table",
        type=int,
        metavar="N",
        help="with --draws and --sigma: store the radii that votes of N samples certify, for "
        "devices; else with --c99: which of the members' radius tables is written, of several",
    )
    parser.add_argument(
        "--radius",
        metavar="LSB",
        help="with --c99: which of the members' sequential tests is written, of several",
    )
    parser.add_argument(
        "--alpha",
        help="of the table that --draws stores (default: 0.001); else with --c99: of what is "
        "written",
    )


def run(args: argparse.Namespace) -> int:
    """Write the bundle, and say how it answers."""
    from qrobust.certify import c99
    from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle
    from qrobust.certify.file.bundle_file import open_model
    from qrobust.certify.file.model_file import read_model
    from qrobust.certify.file.smoothing_spec import read_spec

    check_combining(args, ".bundle", random=args.draws is not None)
    for option, rule in (("thresholds", ADAPTIVE), ("first", CONSENSUS)):
        if getattr(args, option) is not None and args.rule != rule:
            raise ValueError(f"--{option} is of --rule {rule}. Received: --rule {args.rule}")
    _check_tables(args)
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
        if args.disagreement is not None:
            raise ValueError("--disagreement goes with --learn")
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
    sources = None if args.c99 is None else c99.bundle_files(content, **_chosen(args))
    if args.c99 is not None:
        args.c99.mkdir(parents=True, exist_ok=True)  # no folder, no bundle either
    write_bytes(args.out, content)
    for number, (name, weight) in enumerate(zip(names, bundle.weights, strict=True)):
        stop = f", stops at {bundle.thresholds[number]}" if number < len(bundle.thresholds) else ""
        print(f"{name}: weight {weight}{stop}")
    first = f", first {bundle.first}" if bundle.first else ""
    print(f"{args.out}: {bundle.rule}{first}, {len(content):,} bytes, sha256 {bundle.sha256}")
    if sources is not None:
        written = c99.write_files(args.c99, sources)
        print(f"{arena_sizes(args.c99)}; tables of the certifier: {table_bytes(args.c99)} bytes")
        print(f"C99: {', '.join(map(str, written))}")
    return 0


def _check_tables(args: argparse.Namespace) -> None:
    """Tables are stored in draws; in members that bring theirs, they are chosen for C."""
    if args.draws is not None:
        if args.table is not None and args.sigma is None:
            raise ValueError("--table goes with --draws K --sigma LSB, or with --c99 DIR")
        if args.alpha is not None and args.table is None:
            raise ValueError("--alpha goes with --table")
        if args.radius is not None:
            raise ValueError("--radius chooses a sequential test, and --draws stores none")
        return
    for option in ("table", "radius", "alpha"):
        if getattr(args, option) is not None and args.c99 is None:
            raise ValueError(
                f"--{option} says which of the members' tables --c99 DIR writes: give it, too"
            )


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Which tables become C; of draws the only one."""
    if args.draws is not None:
        return {}
    return {"n": args.table, "radius": args.radius, "alpha": args.alpha}


def _drawn(args: argparse.Namespace) -> list[bytes]:
    """Networks of a model whose weights are distributions, exported."""
    if len(args.models) != 1 or args.learn is not None or args.weights is not None:
        raise ValueError("--draws takes one .keras, and no --learn or --weights: draws are equal")
    if args.rule == "consensus" or args.thresholds is not None:
        raise ValueError("--draws is --rule draw: leave out other rules and --thresholds")
    if args.disagreement is not None:
        raise ValueError("--disagreement goes with --learn")
    from qrobust.certify import SmoothingSpec, attach_spec
    from qrobust.certify.file.bundle import MOST_MEMBERS
    from qrobust.ensembles import draw_members
    from qrobust.load_keras import load_keras
    from tflite_export import export

    if not 0 < args.draws <= MOST_MEMBERS or args.draws & (args.draws - 1):
        raise ValueError(
            f"--draws is a power of two from 1 to {MOST_MEMBERS}, so that every draw is exact. "
            f"Received: {args.draws}"
        )
    tables = () if args.table is None else ((args.table, args.alpha or "0.001"),)
    files = []
    for member in draw_members(
        load_keras(args.models[0], allow_code=args.allow_code), args.draws, seed=args.seed
    ):
        content = export(member).tflite
        if args.sigma is not None:
            spec = SmoothingSpec.for_model(content, sigma=args.sigma, tables=tables)
            content = attach_spec(content, spec)
        files.append(content)
    return files


def _learned(args: argparse.Namespace, files: list[bytes]) -> tuple[Any, list[str]]:
    from qrobust.ensembles.learn_bundle import DISAGREEMENT, learn_bundle

    if args.thresholds is not None:
        raise ValueError("--thresholds or --learn, not both: what is learned is not given")
    if args.rule == "draw":
        raise ValueError("draws have no weights to learn; give --weights, or leave them equal")
    data = data_to_learn(args, args.models[0])
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
