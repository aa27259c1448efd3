"""The network of a recipe, trained where it is not there yet."""

from pathlib import Path

import keras

from qrobust.training.log import begin
from qrobust.training.phase import save
from qrobust.training.recipe import Recipe
from qrobust.training.train import train
from tflite_export import export
from tflite_export.atomic import write_bytes, write_text


def trained_network(recipe: Recipe, state: Path, data: str | None) -> Path:
    """Train it, or go on where it stopped; the log is kept epoch by epoch.

    Returns:
        Its folder below `state`, with ``model.keras`` and, unless it is a float one,
        ``model.tflite``.

    Raises:
        ValueError: the folder has the log of another recipe.
    """
    folder = state / "".join(c if c.isalnum() else "_" for c in recipe.name)
    begin(folder / "log", recipe, resume=True)
    if not (folder / "done").exists():
        model = train(recipe, data=data, log=folder / "log", resume=True).model
        if not recipe.quantization.is_float:
            write_bytes(folder / "model.tflite", export(model).tflite)
        save(model, folder / "model.keras")
        write_text(folder / "done", "trained\n")
        keras.backend.clear_session()
    return folder
