"""What ``bundle`` and ``ensemble`` share: members, weights, and data to learn them from."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qrobust.certify.commands.common import add_reading, check_scale
from qrobust.commands.inputs import load_for

_COPIES, _SEED = 4, 0


def add_combining(
    parser: argparse.ArgumentParser,
    *,
    members: tuple[str, str],
    out: str,
    rules: Sequence[str],
    rule: str,
    learn: str,
    sigma: str,
) -> None:
    """Add members, ``--out``, ``--rule``, ``--weights``, and how weights are learned.

    Args:
        parser: of the command.
        members: metavar and help of the files.
        out: metavar of what is written.
        rules: how members may answer together, the default first.
        rule: help of ``--rule``.
        learn: what is learned.
        sigma: whose noise is learned under by default, and what else ``--sigma`` is for.
    """
    metavar, words = members
    parser.add_argument("models", type=Path, nargs="+", metavar=metavar, help=words)
    parser.add_argument("--out", type=Path, required=True, metavar=out, help="the file to write")
    parser.add_argument(
        "--rule", choices=rules, default=rules[0], help=f"{rule} (default: {rules[0]})"
    )
    parser.add_argument(
        "--weights",
        type=int,
        nargs="+",
        metavar="W",
        help="whole numbers, one a member (default: all 1)",
    )
    parser.add_argument(
        "--learn",
        metavar="DATA",
        help=f"{learn} from training inputs that no member was trained on",
    )
    add_reading(parser)
    parser.add_argument("--sigma", metavar="LSB", help=f"noise to learn under (default: {sigma}")
    parser.add_argument(
        "--copies",
        type=int,
        metavar="N",
        help=f"noisy ones of each input, to learn from (default: {_COPIES})",
    )
    parser.add_argument("--seed", type=int, help=f"of everything random (default: {_SEED})")


def check_combining(args: argparse.Namespace, suffix: str, *, random: bool = False) -> None:
    """Refuse what would be passed over, and fill in what depends on ``--learn``.

    Args:
        args: of the command line.
        suffix: that ``--out`` has to have.
        random: whether something other than learning takes ``--sigma`` and ``--seed``.

    Raises:
        ValueError: another suffix, or options of learning without it.
    """
    if args.out.suffix != suffix:
        raise ValueError(f"--out is a {suffix} file. Received: {args.out}")
    of_learning = ("copies",) if random else ("sigma", "copies", "seed")
    if args.learn is None:
        for option in of_learning:
            if getattr(args, option) is not None:
                raise ValueError(f"--{option} goes with --learn")
    elif args.weights is not None:
        raise ValueError("--weights or --learn, not both: what is learned is not given")
    check_scale("--sigma", args.sigma)
    args.copies = _COPIES if args.copies is None else args.copies
    args.seed = _SEED if args.seed is None else args.seed


def data_to_learn(args: argparse.Namespace, model: Any) -> Any:
    """The data of ``--learn``; see `load_for` for the model.

    Raises:
        ValueError: data without classes.
    """
    data = load_for(args.learn, model, args.fit, allow_code=args.allow_code)
    if data.y is None:
        raise ValueError(f"'{args.learn}' holds no y. Weights are learned from true classes.")
    return data
