"""The network of a cell: trained epoch by epoch, taken up where it stopped, exported."""

import os
from pathlib import Path
from typing import Any

from grid.cells import Cell
from qrobust.load_keras import load_keras
from qrobust.training.phase import save
from qrobust.training.train import train
from tflite_export import export
from tflite_export.atomic import write_bytes

MODEL, FILE = "model.keras", "model.tflite"


def trained(cell: Cell, folder: Path, data: str | None) -> Any:
    """The cell's Keras model; ``model.keras`` and, unless float, ``model.tflite`` in its folder.

    ``folder/log`` keeps what ``qrobust train --resume`` keeps: a training that is cut short goes on
    from its last epoch, bit for bit.
    """
    path = folder / MODEL
    if path.exists() and (cell.is_float or (folder / FILE).exists()):
        return load_keras(path)
    words = ",".join(cell.settings.get("words", ()))
    os.environ["QROBUST_GRID"] = f"{cell.data}|{cell.grid['images']}|{words}"
    model = train(cell.recipe(), data=data, log=folder / "log", resume=True, allow_code=True).model
    save(model, path)
    if not cell.is_float:
        write_bytes(folder / FILE, export(model).tflite)
    return model
