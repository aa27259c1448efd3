"""``qrobust models``: the reference models and recipes that come with the package."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrobust.training.publish.summary import Certified

HELP = "list the reference models and recipes, or copy one out"
_SUMMARY = "summary.json"
_PACKAGE = Path(__file__).resolve().parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="which to copy; none for a list")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="where to, a new folder"
    )


def run(args: argparse.Namespace) -> int:
    """List, or copy a folder with its recipes, network, file, card and summary."""
    root = models_folder()
    if args.name is None:
        from qrobust.terminal import show

        show(table(root))
        print("\nqrobust models NAME DIR copies one out; qrobust train DIR/recipe.toml trains it.")
        return 0
    if args.folder is None:
        raise ValueError(f"say where to: qrobust models {args.name} DIR")
    source = root / args.name
    if args.name not in names(root):
        raise ValueError(f"no model is called '{args.name}'. There are {', '.join(names(root))}.")
    if args.folder.exists():
        raise ValueError(f"'{args.folder}' is there already; name a new folder")
    shutil.copytree(source, args.folder, ignore=shutil.ignore_patterns("log"))
    for path in sorted(args.folder.rglob("*")):
        if path.is_file():
            print(path)
    if missing := _left_out(args.folder):
        print(
            f"{', '.join(missing)}: too large for the wheel; it is in the source distribution",
            file=sys.stderr,
        )
    return 0


def models_folder() -> Path:
    """Where the models are: in an installed package, or beside it in a checkout.

    Raises:
        ValueError: neither is there.
    """
    for folder in (_PACKAGE / "models", _PACKAGE.parent / "models"):
        if (folder / "README.md").is_file():
            return folder
    raise ValueError(f"no models beside '{_PACKAGE}'; install the package's wheel, or a checkout")


def names(root: Path) -> list[str]:
    """Folders with a recipe or a published model, as paths below `root`."""
    found = {path.parent for kind in ("*.toml", _SUMMARY) for path in root.rglob(kind)}
    folders = (path.relative_to(root) for path in found)
    return sorted(path.as_posix() for path in folders if "log" not in path.parts)


def table(root: Path) -> str:
    """One row for each folder: network, clean and certified accuracy, size, what is there."""
    from tabulate import tabulate

    header = ["name", "network, bits", "data", "right", "certified", "bytes", "here"]
    rows = [_row(root / name, name) for name in names(root)]
    text: str = tabulate(rows, header, tablefmt="simple")
    return text


def _row(folder: Path, name: str) -> list[str]:
    from qrobust.training.publish.summary import read_summary

    here = [kind for kind in ("keras", "tflite") if (folder / f"model.{kind}").is_file()]
    if recipes := len(list(folder.glob("*.toml"))):
        here.append("recipe" if recipes == 1 else f"{recipes} recipes")
    kinds = ", ".join(here)
    path = folder / _SUMMARY
    if not path.is_file():
        return [name, "", "", "", "", "", kinds]
    summary = read_summary(path)
    network, certified = summary.network, ""
    bits = "float"
    if summary.file is not None:
        bits = f"{network.weight_bits}/{network.activation_bits}"
    if summary.certified is not None:
        radius, unit = _shown_radius(summary.certified)
        share = min(summary.certified.shares, key=lambda share: abs(share.radius - radius))
        certified = f"{share.proportion.value:.1%} at {share.radius:g} {unit}"
    return [
        name,
        f"{network.name} {bits}",
        summary.data.name,
        f"{summary.clean.value:.1%}",
        certified,
        "" if summary.file is None else f"{summary.file.bytes:,}",
        kinds,
    ]


def _shown_radius(certified: "Certified") -> tuple[float, str]:
    """Near sigma; of what is counted rather than sampled, near half a pixel, or one pixel."""
    method = certified.settings.get("method")
    if method == "splits":
        return 128, "LSB (L1)"
    return (1, "pixel (patch)") if method in ("bands", "blocks") else (certified.sigma, "LSB (L2)")


def _left_out(folder: Path) -> list[str]:
    """Networks that recipes of a folder start from and that are not there."""
    from qrobust.training.recipe import read_recipe

    missing = set()
    for path in folder.glob("*.toml"):
        recipe = read_recipe(path)
        network = recipe.network
        named = (network.start, network.weights, network.model, *network.members)
        missing |= {str(n) for n in named if n and not (folder / n).is_file()}
    return sorted(missing)
