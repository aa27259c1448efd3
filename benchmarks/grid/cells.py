"""The cells of the grid: read from the committed file, in the order in which they run."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrobust.corruptions import STRENGTHS
from qrobust.corruptions.pictures import PICTURES
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training

#: Of what a defence adds: pictures are also seen in another light. A way to augment, no amount.
CORRUPT = "corrupt"
#: Defence -> what it is compared with, where a file has no ``[beside]``.
BESIDE = {"noise": ["none"], "jacobian": ["noise"], "consistency": ["noise"]}


@dataclass(frozen=True)
class Cell:
    """One network of the grid.

    Attributes:
        data: name of the data set in the file.
        bits: "w4", "float" or "ternary".
        defence: name of the row.
        seed: of the training.
        adds: what the defence adds to plain training: names of amounts of the data set, or
            "name=amount".
        settings: of the data set.
        grid: of all cells.
        beside: names of the defences that this one is compared with.
        corruptions: further columns, name -> corruptions under all of which an image is right.
    """

    data: str
    bits: str
    defence: str
    seed: int
    adds: tuple[str, ...]
    settings: Mapping[str, Any]
    grid: Mapping[str, Any]
    beside: tuple[str, ...] = ()
    corruptions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The name without a seed; activation bits follow those of the weights in it."""
        bits = f"w4a{self.settings['activation_bits']}" if self.bits == "w4" else self.bits
        return f"{self.data}-{bits}-{self.defence}"

    @property
    def name(self) -> str:
        """The name of the cell and of its folder."""
        return f"{self.group}-{self.seed}"

    @property
    def is_float(self) -> bool:
        """Whether nothing is quantized, so that there is no file."""
        return self.bits == "float"

    def recipe(self) -> Recipe:
        """What is trained; the images come from ``grid.images``."""
        of, grid = self.settings, self.grid
        named = [part.partition("=") for part in self.adds if part != CORRUPT]
        amounts = {key: float(value) if value else of[key] for key, _, value in named}
        augment = CORRUPT if CORRUPT in self.adds else of["augment"]
        defence = Defence(**{"sigma": 0.0, **amounts})
        return Recipe(
            name=self.name,
            data=Data("grid.images:load", augment=augment),
            network=Network(of["network"], of.get("options", {})),
            defence=defence,
            quantization=Quantization(4 if self.bits == "w4" else self.bits, of["activation_bits"]),
            training=Training(
                epochs=grid["epochs"],
                frozen_epochs=0 if self.is_float else grid["frozen_epochs"],
                batch_size=of["batch_size"],
                learning_rate=of["learning_rate"],
            ),
            seed=self.seed,
        )


def read_cells(path: Path) -> list[Cell]:
    """The cells of a file, those first that need neither ternary weights nor a Jacobian."""
    content = tomllib.loads(path.read_text())
    grid, defences = content["grid"], content["defences"]
    beside, corruptions = content.get("beside", BESIDE), content.get("corruptions", {})
    cells = []
    for data, settings in content["data"].items():
        common = {**grid, "epochs": settings.get("epochs", grid["epochs"])}
        for bits, rows in content["bits"].items():
            for row in rows:
                for seed in (*grid["seeds"], *grid["decide_seeds"]):
                    cell = Cell(
                        data=data,
                        bits=bits,
                        defence=row,
                        seed=seed,
                        adds=tuple(defences[row]),
                        settings=settings,
                        grid=common,
                        beside=tuple(beside.get(row, ())),
                        corruptions=corruptions,
                    )
                    if seed in grid["seeds"] or cell.group in grid["decide"]:
                        cells.append(cell)
    unknown = sorted(set(grid["decide"]) - {cell.group for cell in cells})
    if unknown:
        raise ValueError(f"{path}: decide names cells of the grid. Received: {unknown[0]}")
    unknown = sorted(set(beside).union(*beside.values()) - set(defences))
    if "beside" in content and unknown:
        raise ValueError(f"{path}: [beside] names defences of the file. Received: {unknown[0]}")
    kinds = {f"{kind} {strength}" for kind in PICTURES for strength in STRENGTHS}
    unknown = sorted({name for names in corruptions.values() for name in names} - kinds)
    if unknown:
        raise ValueError(f"{path}: [corruptions] names what is judged. Received: {unknown[0]}")
    return sorted(
        cells,
        key=lambda cell: (
            cell.seed not in grid["seeds"],
            "jacobian" in cell.adds or cell.bits == "ternary",
            "jacobian" in cell.adds,
        ),
    )
