"""Draws the gallery, docs/figures, from what was measured: ``python tools/figures.py [--check]``.

Every figure is a function of files in docs/results and models/*/summary.json; its numbers stand
in the SVG's description. ``--check`` draws nothing: exit status 1 where numbers have changed since.
Needs Matplotlib.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "figures"
_COLOURS = ("#0b4f8a", "#b45309", "#14532d", "#7c2d7c", "#9b1c1c")
#: Of the curve of each model: name on the figure.
_L2 = {
    "digits": "digits, 4 bits",
    "cifar10_resnet8_w4a4": "CIFAR-10, ResNet-8, 4 bits",
    "cifar10_stq": "CIFAR-10, stochastic ternary",
}
_COUNTED = {
    "digits_splits": "512 splits: L1, LSB",
    "digits_bands": "bands: side of a patch, pixels",
}
#: Of the published curves: this package's network, and those that are trained alike.
_PUBLISHED = ("this package", "Gaussian", "Consistency", "hard data")
_WIDE, _SQUARE = (7.0, 3.6), (6.4, 4.2)
Series = Mapping[str, Any]


def curves() -> Series:
    """Certified accuracy against the L2 radius, for every sampled model with several radii."""
    return {label: _shares(_summary(name)) for name, label in _L2.items()}


def defence() -> Series:
    """The quickstart's two networks: with the defence and without."""
    rows = [row for row in _results("quickstart")["counts"] if row["radius (LSB)"] != "clean"]
    return {
        name: [[float(row["radius (LSB)"]), row[name]["count"], row[name]["of"]] for row in rows]
        for name in ("defended", "undefended")
    }


def twin() -> Series:
    """The exported integers beside a float network with as many epochs, Caltech-101."""
    rows = _results("float_twin_caltech101")["counts"]
    return {
        {"integers": "4-bit integers", "float": "float32"}[name]: [
            [float(row["radius (LSB)"]), row[name]["count"], row[name]["of"]] for row in rows
        ]
        for name in ("integers", "float")
    }


def published() -> Series:
    """Our integers over published curves of float networks, on the same images of CIFAR-10."""
    rows = _results("published_cifar10_curves")["counts"]
    return {
        name: [
            [float(r["radius"]), r[name]["count"], r[name]["of"]] for r in rows if r[name] != "-"
        ]
        for name in rows[0]
        if name.split(",")[0] in _PUBLISHED
    }


def counted() -> Series:
    """Certificates without an error probability: shares at each radius, in units of their own."""
    return {label: _shares(_summary(name)) for name, label in _COUNTED.items()}


def families() -> Series:
    """Of each family of changes: right, and right and proven for every member."""
    found = {}
    for name in ("digits", "cifar10_resnet20_w4a4"):
        (table,) = (t for t in _summary(name)["tables"] if t["name"] == "families")
        for row in table["rows"]:
            right, certain = row[1], row[2]
            found[f"{name.split('_')[0]}, {row[0]}"] = [
                [right["count"], right["of"]],
                [certain["count"], certain["of"]],
            ]
    return found


def naive() -> Series:
    """Logits that differ on the worst runtime in a file that was exported without care."""
    rows = _results("parity")["counts"]
    found: dict[str, list[float]] = {}
    for row in rows:
        numbers = [float(n) for n in re.findall(r"[\d.]+(?=%)", row["naive export, worst runtime"])]
        found.setdefault(row["network"], []).extend(numbers)
    return {name: [min(numbers), max(numbers)] for name, numbers in found.items()}


def draw_curves(axes: Any, series: Series, radius: str = "L2 radius (pixel steps)") -> None:
    """Steps down, with the exact 95 % interval over images as a band."""
    from scipy.stats import binomtest

    for colour, (label, rows) in zip(_COLOURS, series.items(), strict=False):
        radii = [row[0] for row in rows]
        tests = [binomtest(row[1], row[2]).proportion_ci(method="exact") for row in rows]
        axes.plot(radii, [100 * r[1] / r[2] for r in rows], "o-", color=colour, label=label)
        low, high = [100 * t.low for t in tests], [100 * t.high for t in tests]
        axes.fill_between(radii, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel=radius, ylabel="certified accuracy (%)", ylim=(0, 100))
    axes.set_xlim(left=0)
    axes.legend(frameon=False)


def draw_published(axes: Any, series: Series) -> None:
    """The same on the [0, 1] scale."""
    draw_curves(axes, series, "L2 radius, of [0, 1] pixels")


def draw_counted(axes: Any, series: Series) -> None:
    """The same, where an axis is a share of the largest radius: units differ."""
    scaled = {
        f"{label}, to {rows[-1][0]:g}": [[row[0] / rows[-1][0], *row[1:]] for row in rows]
        for label, rows in series.items()
    }
    draw_curves(axes, scaled, "radius, as a share of the largest one that was counted")


def draw_families(axes: Any, series: Series) -> None:
    """Two bars for each family."""
    places = range(len(series))
    for shift, colour, at, label in (
        (-0.2, "#b8c4d0", 0, "right"),
        (0.2, _COLOURS[0], 1, "right and proven"),
    ):
        shares = [100 * pair[at][0] / pair[at][1] for pair in series.values()]
        axes.barh([p + shift for p in places], shares, 0.38, color=colour, label=label)
    axes.set(yticks=list(places), yticklabels=list(series), xlabel="of the test images (%)")
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)


def draw_naive(axes: Any, series: Series) -> None:
    """A span for each network: over its bit widths."""
    for place, (low, high) in enumerate(series.values()):
        axes.plot(
            [low, high], [place, place], color=_COLOURS[4], linewidth=7, solid_capstyle="butt"
        )
        axes.plot(0, place, "D", color=_COLOURS[2])
    axes.plot([], [], color=_COLOURS[4], linewidth=7, label="without tie-free weights")
    axes.plot([], [], "D", color=_COLOURS[2], label="this exporter: 0")
    axes.set(yticks=range(len(series)), yticklabels=list(series))
    axes.set(xlabel="logits that differ from the reference, worst runtime (%)", xlim=(-2, 102))
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)


FIGURES: Mapping[str, tuple[Callable[[], Series], Callable[..., None], Sequence[float]]] = {
    "curves": (curves, draw_curves, _SQUARE),
    "defence": (defence, draw_curves, _SQUARE),
    "twin": (twin, draw_curves, _SQUARE),
    "published": (published, draw_published, _SQUARE),
    "counted": (counted, draw_counted, _SQUARE),
    "families": (families, draw_families, _WIDE),
    "naive": (naive, draw_naive, _WIDE),
}


def numbers_of(name: str) -> str:
    """What a figure shows, as text."""
    return json.dumps(FIGURES[name][0](), separators=(",", ":"), sort_keys=True)


def draw(name: str, path: Path) -> None:
    """Write a figure as SVG, the same bytes for the same numbers and Matplotlib."""
    import matplotlib
    from matplotlib.figure import Figure

    series, drawing, size = FIGURES[name]
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 11}):
        figure = Figure(figsize=tuple(size), layout="constrained")
        axes = figure.add_subplot()
        drawing(axes, series())
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None, "Description": numbers_of(name)})


def changed(folder: Path = FOLDER) -> list[str]:
    """Figures that are not there, or show other numbers than were measured."""
    wrong = []
    for name in FIGURES:
        path = folder / f"{name}.svg"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if numbers_of(name).replace('"', "&quot;") not in text and numbers_of(name) not in text:
            wrong.append(name)
    return wrong


def main() -> int:
    """Draw, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="draw nothing; 1 where numbers changed"
    )
    args = parser.parse_args()
    if args.check:
        wrong = changed()
        print(
            f"changed: {', '.join(wrong)}; run python tools/figures.py" if wrong else "as measured"
        )
        return int(bool(wrong))
    FOLDER.mkdir(exist_ok=True)
    for name in FIGURES:
        path = FOLDER / f"{name}.svg"
        draw(name, path)
        print(path.relative_to(ROOT), hashlib.sha256(path.read_bytes()).hexdigest()[:12])
    return 0


def _results(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text())


def _summary(model: str) -> dict[str, Any]:
    return json.loads((ROOT / "models" / model / "summary.json").read_text())


def _shares(summary: dict[str, Any]) -> list[list[float]]:
    shares = summary["certified"]["shares"]
    return [[share["radius"], share["certified"], share["of"]] for share in shares]


if __name__ == "__main__":
    sys.exit(main())
