"""``qrobust train``."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qrobust.quiet import quiet_imports

if TYPE_CHECKING:
    from qrobust.training.recipe import Recipe

HELP = "train what a recipe says, export and certify it, and write its card"
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="what to train")
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for the results (default: the recipe's folder; of X.toml, the folder X beside it)",
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="DIR",
        help="for curves, checkpoints and certificates on the way (default: OUT/log)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="take up an interrupted training from its log"
    )
    parser.add_argument(
        "--trained",
        action="store_true",
        help="do not train: export, compare, certify and attack OUT/model.keras again",
    )
    parser.add_argument(
        "--corruptions",
        action="store_true",
        help="neither train nor export: count [corruption] of OUT/model.tflite, onto its card",
    )
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="run what the recipe names as module:function, a data set or a network of your own",
    )
    parser.add_argument(
        "--allow-missing",
        action="append",
        default=[],
        metavar="RUNTIME",
        help="publish although this runtime is not there to be compared, such as TFLM",
    )


def run(args: argparse.Namespace) -> int:
    """Train, export, compare, certify, attack, write the card."""
    from qrobust.training.publish.check_runtimes import check_runtimes
    from qrobust.training.recipe import read_recipe
    from qrobust.training.recipe_sources import check_files

    for option in ("trained", "corruptions"):
        if getattr(args, option) and args.resume:
            raise ValueError(f"--{option} does not train: nothing to --resume. Give one.")
    if args.trained and args.corruptions:
        raise ValueError("--trained counts [corruption], too, of a file exported anew. Give one.")
    # All that can be refused is refused before Keras is loaded, which takes seconds.
    recipe = read_recipe(args.recipe, allow_code=args.allow_code)
    if args.corruptions:
        return _add_corruptions(recipe, args)
    check_files(recipe, str(args.recipe))
    if not recipe.quantization.is_float:
        check_runtimes((*recipe.parity.allow_missing, *args.allow_missing))
    with quiet_imports():
        from qrobust.training.publish.road import folders, run_recipe
    _, log = folders(args.recipe, args.out, args.log)
    try:
        published = run_recipe(
            args.recipe,
            data=args.data,
            out=args.out,
            log=args.log,
            resume=args.resume,
            trained=args.trained,
            allow_code=args.allow_code,
            allow_missing=args.allow_missing,
            recipe=recipe,
        )
    except KeyboardInterrupt:
        begun = any(log.glob("*.keras"))
        hint = f"what is done is in {log}; --resume takes it up" if begun else "nothing was written"
        print(f"interrupted; {hint}", file=sys.stderr)
        return _INTERRUPTED
    print(published.card)
    return 0


def _add_corruptions(recipe: "Recipe", args: argparse.Namespace) -> int:
    """Of what is published, onto its card."""
    with quiet_imports():
        from qrobust.training.publish.add_corruptions import add_corruptions
        from qrobust.training.publish.card import card
        from qrobust.training.publish.road import folders
    out, _ = folders(args.recipe, args.out, args.log)
    command = f"qrobust train {args.recipe.name} --corruptions"
    options = {"command": command, "data": args.data, "allow_code": args.allow_code}
    print(card(add_corruptions(recipe, out, **options)))
    return 0
