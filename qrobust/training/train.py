"""Trains what a recipe says and leaves a folder that is whole or not there."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from qrobust import architectures, datasets, quantize
from qrobust.layers import Consistency
from qrobust.training.batches import batches, count
from qrobust.training.defend import defend
from qrobust.training.initialize import initialize
from qrobust.training.recipe import Recipe

_FOLDER_LOADERS = ("cifar10", "mnist", "svhn", "caltech101", "speech_commands")


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        model: the quantized model, ready to export.
        dataset: what it was trained and is tested on.
        accuracy: on the test set, without noise.
    """

    model: Any
    dataset: datasets.Dataset
    accuracy: float


def train(recipe: Recipe, *, data: str | None = None, log: Path | None = None) -> Trained:
    """Train a recipe's network: its float twin first where it says so, then the quantized one.

    Args:
        recipe: what to do.
        data: folder of the data sets; see ``qrobust.datasets.data_folder``.
        log: a folder for ``float.csv`` and ``quantized.csv``, the last epoch's ``checkpoint.keras``
            and the float twin, ``float.keras``.

    Raises:
        ValueError: an unknown data set or architecture, bad options, or a loss that is no number.
    """
    dataset = load_data(recipe, data)
    x = dataset.train.x
    low, high = (0, 255) if x.dtype == np.uint8 else (-128, 127)
    model = defend(
        build(recipe, dataset),
        sigma=recipe.defence.sigma,
        jacobian=recipe.defence.jacobian,
        minimum=low,
        maximum=high,
        seed=recipe.seed,
    )
    calibration = None
    if recipe.training.float_epochs:
        _fit(model, recipe, dataset, phase="float", log=log)
        if log is not None:
            _save(model, log / "float.keras")
        # Ranges of what the quantized twin will see: images with noise.
        noise = np.random.default_rng(recipe.seed).normal(0, recipe.defence.sigma, x[:512].shape)
        calibration = np.clip(np.rint(x[:512] + noise), low, high)
    model = quantize(
        model,
        recipe.quantization.weight_bits,
        recipe.quantization.activation_bits,
        calibrate=calibration,
    )
    _fit(model, recipe, dataset, phase="quantized", log=log)
    return Trained(model, dataset, accuracy(model, dataset.test))


def load_data(recipe: Recipe, folder: str | None) -> datasets.Dataset:
    """The recipe's data set."""
    name = recipe.data.name
    if name == "digits":
        return datasets.digits(recipe.seed)
    if name not in _FOLDER_LOADERS:
        raise ValueError(f"[data] name is digits, {', '.join(_FOLDER_LOADERS)}. Received: {name!r}")
    loaded: datasets.Dataset = getattr(datasets, name)(folder)
    return loaded


def build(recipe: Recipe, dataset: datasets.Dataset) -> Any:
    """The recipe's float network, its weights drawn from the recipe's seed."""
    name = recipe.network.name
    if name not in architectures.__all__:
        raise ValueError(
            f"[network] name is one of {', '.join(architectures.__all__)}. Received: {name!r}"
        )
    try:
        model = getattr(architectures, name)(
            dataset.train.x.shape[1:], len(dataset.class_names), **recipe.network.options
        )
    except TypeError as error:
        raise ValueError(f"[network.options]: {error}") from None
    initialize(model, recipe.seed)
    return model


def accuracy(model: Any, split: datasets.Split) -> float:
    """Share of a split that is classified right, without noise."""
    predicted = model.predict(split.x.astype("float32"), verbose=0).argmax(-1)
    return float(np.mean(predicted == split.y))


def _fit(
    model: Any,
    recipe: Recipe,
    dataset: datasets.Dataset,
    *,
    phase: str,
    log: Path | None,
) -> None:
    training = recipe.training
    epochs, learning_rate = training.epochs, training.learning_rate
    if phase == "float":
        epochs = training.float_epochs
        learning_rate = training.float_learning_rate or learning_rate
    trained = model
    if recipe.defence.consistency:
        inputs = keras.Input(model.inputs[0].shape[1:])
        trained = keras.Model(inputs, Consistency(model, recipe.defence.consistency)(inputs))
    split, size = dataset.train, training.batch_size
    steps = epochs * count(split.x, size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    trained.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = batches(split.x, split.y, batch_size=size, augment=recipe.data.augment, seed=recipe.seed)
    history = trained.fit(
        data, epochs=epochs, shuffle=False, verbose=0, callbacks=_callbacks(model, phase, log)
    )
    if not np.isfinite(history.history["loss"][-1]):
        raise ValueError(
            f"The loss of the {phase} network became {history.history['loss'][-1]} in epoch "
            f"{len(history.history['loss'])}. Lower learning_rate, jacobian or consistency."
        )


def _callbacks(model: Any, phase: str, log: Path | None) -> list[Any]:
    callbacks: list[Any] = [
        keras.callbacks.TerminateOnNaN(),
        TqdmCallback(verbose=0, desc=f"training, {phase}", leave=True),
    ]
    if log is not None:
        log.mkdir(parents=True, exist_ok=True)
        callbacks.append(keras.callbacks.CSVLogger(log / f"{phase}.csv"))
        callbacks.append(
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: _save(model, log / "checkpoint.keras")
            )
        )
    return callbacks


def _save(model: Any, path: Path) -> None:
    """Write a file that is always whole: beside it first, then in its place."""
    beside = path.with_name(f"new_{path.name}")
    model.save(beside)
    beside.replace(path)


def publish(files: Sequence[Path], out: Path) -> None:
    """Put finished files into a folder at once: nothing half-written stays in ``models/``."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        staged = [Path(shutil.copy(path, folder)) for path in files]
        for path in staged:
            path.replace(out / path.name)
