"""Trains what a recipe says."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from qrobust import architectures, datasets
from qrobust.callbacks import BitWidthSchedule
from qrobust.certify.inputs.named_code import is_code, named_code
from qrobust.layers import Distillation, JacobianRegularized
from qrobust.layers.input_noise import input_layer_of
from qrobust.quantization.quantize import quantize
from qrobust.quantization.set_bits import current_bits, set_bits
from qrobust.training.apply_defence import defend
from qrobust.training.initialize import copy_weights, initialize
from qrobust.training.log import begin
from qrobust.training.members import ensemble_of
from qrobust.training.phase import AROUND, FLOAT, QUANTIZED, fit, save
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sources import FOLDER_LOADERS
from qrobust.training.views import in_words, input_layer, is_masked, same_view, with_inverse
from tflite_export.inputs import batch_size
from tflite_export.keras_private import layers_inside

# Stochastic weights draw from other streams than the noise, which has the recipe's seed.
_STOCHASTIC = 1000


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        model: the quantized model, ready to export; or the float one where the recipe says so.
        dataset: what it was trained and is tested on.
        right: test examples that it classifies right, without noise.
    """

    model: Any
    dataset: datasets.Dataset
    right: int

    @property
    def accuracy(self) -> float:
        """Share of the test set that is classified right, without noise."""
        return self.right / len(self.dataset.test.x)


def train(
    recipe: Recipe,
    *,
    data: str | None = None,
    log: Path | None = None,
    resume: bool = False,
    allow_code: bool = False,
) -> Trained:
    """Train a recipe's network: its float twin first where it says so, then the quantized one.

    Args:
        recipe: what to do.
        data: folder of the data sets; see ``qrobust.datasets.data_folder``.
        log: a folder for the float twin, ``float.keras``, and what ``phase.fit`` leaves.
        resume: take up an interrupted training from ``log``.
        allow_code: import what the recipe names as ``module:function``.

    Raises:
        ValueError: an unknown data set or architecture, bad options, a log of another recipe, or
            a loss that is no number.
    """
    if log is not None:
        begin(log, recipe, resume=resume)
    if recipe.quantization.is_float:
        recipe = _float_only(recipe)
    dataset = load_data(recipe, data, allow_code=allow_code)
    if recipe.network.members:
        model = ensemble_of(recipe, dataset)
        return Trained(model, dataset, right_answers(model, dataset.test))
    x = dataset.train.x
    low, high = (0, 255) if x.dtype == np.uint8 else (-128, 127)
    twin = None if log is None else log / "float.keras"
    teacher = _teacher(recipe)
    if recipe.network.start:
        model = _start(recipe, dataset, allow_code=allow_code)
        _check_teacher(teacher, model, recipe)
        model = fit(
            model, recipe, dataset, phase=QUANTIZED, log=log, resume=resume, teacher=teacher
        )
        return Trained(model, dataset, right_answers(model, dataset.test))
    if resume and twin is not None and twin.exists():
        model = keras.models.load_model(twin)
    else:
        model = defend(
            build(recipe, dataset, allow_code=allow_code),
            noise=input_layer(recipe.defence, low, high, recipe.seed),
            jacobian=recipe.defence.jacobian,
            spread=recipe.defence.weight_spread,
            entropy=recipe.defence.weight_entropy,
            seed=recipe.seed,
        )
        bits = recipe.quantization
        if not bits.is_float:
            _check_bits(quantize(model, bits.weight_bits, bits.activation_bits), recipe)
        _check_teacher(teacher, model, recipe)
        if recipe.training.float_epochs:
            model = fit(model, recipe, dataset, phase=FLOAT, log=log, resume=resume)
            if twin is not None:
                save(model, twin)
    if recipe.quantization.is_float:
        return Trained(model, dataset, right_answers(model, dataset.test))
    if recipe.defence.distillation and teacher is None:
        teacher = model
    model = quantize(
        model,
        recipe.quantization.weight_bits,
        recipe.quantization.activation_bits,
        weight_scale=recipe.quantization.weight_scale,
        calibrate=_seen(recipe, x, low, high),
        seed=recipe.seed + _STOCHASTIC,
    )
    model = fit(model, recipe, dataset, phase=QUANTIZED, log=log, resume=resume, teacher=teacher)
    return Trained(model, dataset, right_answers(model, dataset.test))


def _start(recipe: Recipe, dataset: datasets.Dataset, *, allow_code: bool) -> Any:
    """A trained quantized network to go on with: of the recipe's architecture and bits."""
    path = recipe.network.start
    try:
        model = keras.models.load_model(path)
        noise = input_layer_of(model)
    except (OSError, ValueError) as error:
        raise ValueError(f"[network] start: cannot go on with '{path}': {error}") from None
    if any(isinstance(layer, AROUND) for layer in layers_inside(model)):
        raise ValueError(
            f"[network] start: '{path}' still has the wrapper that it was trained in around it, as "
            f"a checkpoint does. Start from the model.keras of a finished training."
        )
    same_noise, found = same_view(noise, recipe.defence)
    if not same_noise or recipe.training.float_epochs:
        raise ValueError(
            f"[network] start: '{path}' has {found} and needs no float_epochs. "
            f"Received: {in_words(recipe.defence)}, float_epochs={recipe.training.float_epochs}"
        )
    new = build(recipe, dataset, allow_code=allow_code)
    bits = recipe.quantization
    wanted = quantize(new, bits.weight_bits, bits.activation_bits)
    same = current_bits(model) == current_bits(wanted)
    shapes = [(m.input_shape, m.output_shape) for m in (new, model)]
    if not same or shapes[0] != shapes[1]:
        raise ValueError(
            f"[network] start: '{path}' is no {recipe.network.name} from {shapes[0][0]} to "
            f"{shapes[0][1]} with weight_bits = {bits.weight_bits} and activation_bits = "
            f"{bits.activation_bits}: [quantization] says what it has."
        )
    penalized = any(isinstance(x, JacobianRegularized) for x in layers_inside(model))
    if bool(recipe.defence.jacobian) != penalized:
        raise ValueError(
            f"[network] start: '{path}' was trained {'with' if penalized else 'without'} a "
            f"Jacobian penalty, which stays. Received: jacobian={recipe.defence.jacobian}"
        )
    _check_bits(keras.models.clone_model(model), recipe)
    return model


def _seen(recipe: Recipe, x: NDArray[Any], low: int, high: int) -> NDArray[Any] | None:
    """Examples drawn from all, as the quantized twin will see them: with noise, or in views."""
    network, some = recipe.network, recipe.quantization.calibration
    if not some or not (recipe.training.float_epochs or network.weights or network.model):
        return None
    rng = np.random.default_rng(recipe.seed)
    chosen = x[rng.choice(len(x), min(some, len(x)), replace=False)]
    if recipe.defence.counts:
        views = input_layer(recipe.defence, low, high, recipe.seed)
        return np.asarray(views(chosen.astype("float32"), training=True))
    noise = rng.normal(0, recipe.defence.sigma, chosen.shape)
    return np.clip(np.rint(chosen + noise), low, high)


def _teacher(recipe: Recipe) -> Any:
    """The network of a file whose answers are learned; None where the recipe names none."""
    from qrobust.load_keras import load_keras

    path = recipe.network.teacher
    return load_keras(Path(path)) if path else None


def _check_teacher(teacher: Any, model: Any, recipe: Recipe) -> None:
    """Refuse a teacher that does not fit now, not after the float phase."""
    if teacher is None:
        return
    try:
        Distillation(model, teacher, recipe.defence.distillation)
    except ValueError as error:
        raise ValueError(f"[network] teacher: '{recipe.network.teacher}': {error}") from None


def _check_bits(twin: Any, recipe: Recipe) -> None:
    """Refuse bits that a layer cannot take now, not after the float phase; changes the twin."""
    bits = recipe.quantization
    schedule = {int(epoch): wanted for epoch, wanted in bits.weight_schedule.items()}
    if schedule:
        BitWidthSchedule(schedule)
    for wanted in schedule.values():
        set_bits(twin, weight_bits=wanted)


def _float_only(recipe: Recipe) -> Recipe:
    """All epochs in the float phase."""
    training = recipe.training
    rate = training.float_learning_rate or training.learning_rate
    training = replace(
        training, epochs=0, float_epochs=training.float_epochs + training.epochs,
        float_learning_rate=rate,
    )  # fmt: skip
    return replace(recipe, training=training)


def load_data(recipe: Recipe, folder: str | None, *, allow_code: bool = False) -> datasets.Dataset:
    """The recipe's data set as its network takes it, with what it holds out of training apart."""
    dataset = _load(recipe, folder, allow_code=allow_code)
    held = recipe.data.held_out
    if held and recipe.data.name != "speech_commands":  # which holds whole speakers
        dataset = datasets.hold_out(dataset, held)
    return with_inverse(dataset, recipe.defence)


def _load(recipe: Recipe, folder: str | None, *, allow_code: bool) -> datasets.Dataset:
    name = recipe.data.name
    seed = recipe.seed if recipe.data.split_seed is None else recipe.data.split_seed
    if is_code(name):
        made = named_code(name, "[data] name", allow_code=allow_code)(folder)
        if not isinstance(made, datasets.Dataset):
            raise ValueError(f"[data] name: '{name}' returned no Dataset. Received: {type(made)}")
        return made
    if name == "own":
        own = recipe.data
        return datasets.own_data(own.path, own.shape, fit=own.fit, seed=seed)
    if name == "digits":
        return datasets.digits(seed)
    if name not in FOLDER_LOADERS:
        known = ", ".join(("own", "digits", *FOLDER_LOADERS))
        raise ValueError(f"[data] name is one of {known}. Received: {name!r}")
    if name == "speech_commands":
        of = recipe.data
        return datasets.speech_commands(
            folder,
            of.words or None,
            noise=of.sound_noise,
            copies=of.copies,
            clean_copies=of.clean_copies,
            held_out=of.held_out,
            held_out_fold=of.held_out_fold,
        )
    if name == "caltech101" and recipe.data.shape:
        return datasets.caltech101(folder, size=recipe.data.shape[0])
    loaded: datasets.Dataset = getattr(datasets, name)(folder)
    return loaded


def build(recipe: Recipe, dataset: datasets.Dataset, *, allow_code: bool = False) -> Any:
    """The recipe's float network, its weights drawn from the recipe's seed."""
    name = recipe.network.name
    if recipe.network.model:
        return _own_network(recipe.network.model, dataset)
    if is_code(name):
        make = named_code(name, "[network] name", allow_code=allow_code)
    elif name in architectures.__all__:
        make = getattr(architectures, name)
    else:
        raise ValueError(
            f"[network] name is one of {', '.join(architectures.__all__)}. Received: {name!r}"
        )
    try:
        model = make(dataset.train.x.shape[1:], len(dataset.class_names), **recipe.network.options)
    except TypeError as error:
        raise ValueError(f"[network.options]: {error}") from None
    if not isinstance(model, keras.Model):
        raise ValueError(f"[network] name: '{name}' returned no model. Received: {type(model)}")
    initialize(model, recipe.seed)
    if recipe.network.weights:
        _load_weights(model, recipe.network.weights, doubled=is_masked(recipe.defence))
    return model


def _own_network(path: str, dataset: datasets.Dataset) -> Any:
    """A float network of one's own, with its weights."""
    from qrobust.load_keras import load_keras

    model = load_keras(Path(path))
    wanted = dataset.train.x.shape[1:], len(dataset.class_names)
    found = tuple(model.input_shape[1:]), model.output_shape[-1]
    if len(model.inputs) != 1 or found != wanted:
        raise ValueError(
            f"[network] model: '{path}' takes {found[0]} and gives {found[1]} logits; the data "
            f"have {wanted[0]} and {wanted[1]} classes."
        )
    return model


def _load_weights(model: Any, path: str, *, doubled: bool) -> None:
    """Start from a trained float model of the same layers, whatever they are called."""
    try:
        copy_weights(keras.models.load_model(path), model, doubled=doubled)
    except (OSError, ValueError) as error:
        raise ValueError(f"[network] weights: '{path}' does not fit: {error}") from None


def right_answers(model: Any, split: datasets.Split) -> int:
    """How many examples of a split are classified right, without noise."""
    size = batch_size(len(split.x))
    logits = model.predict(split.x.astype("float32"), batch_size=size, verbose=0)
    predicted = logits.argmax(-1)
    return int(np.sum(predicted == split.y))
