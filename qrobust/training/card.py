"""The card of a reference model: what it is, what it can do, and the command that says so."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from tabulate import tabulate

from qrobust.certify import Certificate
from qrobust.training.recipe import Recipe
from tflite_export import Exported, Parity
from tflite_export.printable import printable

_PACKAGES = ("qrobust", "keras", "tensorflow", "qkeras-v3", "ai-edge-litert", "numpy")


def certified_accuracy(certificates: Sequence[Certificate], radius: float) -> float:
    """Share of images whose true class is certified at a radius in LSB."""
    return float(np.mean([bool(c.correct) and c.radius >= radius for c in certificates]))


def _bits(bits: Any) -> str:
    if not isinstance(bits, dict):
        return str(bits)
    return ", ".join(f"{name}: {width}" for name, width in bits.items())


def card(
    recipe: Recipe,
    exported: Exported,
    parity: Parity,
    certificates: Sequence[Certificate],
    facts: dict[str, Any],
) -> str:
    """The card in Markdown."""
    settings = recipe.certification
    about = [
        [
            "data",
            f"{recipe.data.name}, {facts['train_images']} for training, "
            f"{facts['test_images']} for tests",
        ],
        [
            "network",
            f"{recipe.network.name}, weights {_bits(recipe.quantization.weight_bits)}, "
            f"activations {_bits(recipe.quantization.activation_bits)} bits",
        ],
        ["clean accuracy", f"{facts['accuracy']:.1%} on {facts['test_images']} test examples"],
        ["size", f"{facts['size']:,} bytes, {exported.report.macs:,} MACs"],
        [
            "parity",
            f"{sum(parity.differing.values())} differing integers of "
            f"{parity.integers:,} on each of {', '.join(parity.differing)}",
        ],
        ["certificates", _how_certified(recipe, certificates)],
        ["one LSB", printable(facts["unit"])],
        ["attacked accuracy", facts["attacked"]],
    ]
    radii = (
        []
        if not certificates
        else [
            [f"{r:g}", f"{r / 255:.3f}", f"{certified_accuracy(certificates, r):.1%}"]
            for r in settings.radii
        ]
    )
    header = ["radius (LSB)", "radius / 255", "certified accuracy"]
    if not facts["pixels"]:
        # Features have no [0, 1] scale; their unit is the data set's.
        radii = [[r, accuracy] for r, _, accuracy in radii]
        header = ["radius (LSB)", "certified accuracy"]
    return f"""# {printable(recipe.name)}

{_printed_by(facts["recipe"])}

{tabulate(about, ["", ""], tablefmt="github", disable_numparse=True)}

{tabulate(radii, header, tablefmt="github", disable_numparse=True) if certificates else ""}

```
{exported.report}
```
{_notes(recipe)}"""


def _printed_by(recipe: str) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"Printed by `qrobust train {recipe}`, {datetime.now(UTC):%Y-%m-%d}, with Python\n"
        f"{platform.python_version()}, {versions}."
    )


def _notes(recipe: Recipe) -> str:
    return f"\n{recipe.notes.strip()}\n" if recipe.notes else ""


def _how_certified(recipe: Recipe, certificates: Sequence[Certificate]) -> str:
    if not certificates:
        return "none asked for" if recipe.defence.sigma else "none: trained without noise"
    settings = recipe.certification
    seconds = float(np.mean([c.seconds for c in certificates]))
    return (
        f"{len(certificates)} test examples, sigma {recipe.defence.sigma:g} LSB, "
        f"n = {settings.n:,}, alpha = {settings.alpha}, {seconds:.2f} s each"
    )


def float_card(recipe: Recipe, certified: Sequence[float], facts: dict[str, Any]) -> str:
    """The card of a float twin in Markdown; ``certified``: accuracy at each of the radii."""
    settings = recipe.certification
    how = "No certificates."
    if len(certified):
        pairs = zip(settings.radii, certified, strict=True)
        how = (
            f"Certified accuracy on {min(settings.images, facts['test_images'])} test examples, "
            f"classified in float32 by Keras: sigma\n{recipe.defence.sigma:g} LSB, n = "
            f"{settings.n:,}, alpha = {settings.alpha}.\n\n"
        ) + tabulate(
            [(f"{radius:g}", f"{share:.1%}") for radius, share in pairs],
            ["radius (LSB)", "certified accuracy"],
            "github",
            disable_numparse=True,
        )
    return f"""# {printable(recipe.name)}

{_printed_by(facts["recipe"])}

A float twin: {recipe.network.name} on {recipe.data.name}, clean accuracy {facts["accuracy"]:.1%}.
{how}
{_notes(recipe)}"""
