"""One phase of a training: a model, its losses, and a ``fit`` that can be taken up again."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from qrobust.callbacks import (
    BitWidthSchedule,
    CertifiedAccuracy,
    FreezeStatistics,
    IntervalSchedule,
    ReproducibleEpochs,
)
from qrobust.callbacks.freeze_statistics import measure_statistics
from qrobust.callbacks.interval_schedule import ramp
from qrobust.datasets import Dataset, Split
from qrobust.layers import (
    BoundarySamples,
    Consistency,
    Distillation,
    IntervalBounds,
    Macer,
    SmoothAdversarial,
)
from qrobust.training.batches import batches, count
from qrobust.training.curve import Curve
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Defence, Training
from tflite_export.atomic import replacing

FLOAT, QUANTIZED = "float", "quantized"

#: Inputs that statistics are measured over where a recipe does not say how many.
_MEASURED = 1024

#: Wrappers around a whole model in which a phase trains it.
AROUND = (BoundarySamples, Consistency, Distillation, IntervalBounds, Macer, SmoothAdversarial)


def fit(
    model: Any,
    recipe: Recipe,
    dataset: Dataset,
    *,
    phase: str,
    log: Path | None = None,
    resume: bool = False,
    teacher: Any = None,
) -> Any:
    """Train a model for one phase of a recipe.

    Args:
        model: with noise on its input.
        recipe: what to do.
        dataset: to train on.
        phase: ``FLOAT`` or ``QUANTIZED``.
        log: a folder for ``PHASE.csv`` and ``PHASE_checkpoint.keras``, written after every epoch.
        resume: take up the checkpoint in ``log`` if there is one; the continuation is that of a
            training that was never interrupted.
        teacher: whose answers the model learns, where the recipe says so.

    Returns:
        The trained model: the one given, or the checkpoint's.

    Raises:
        ValueError: an unknown augmentation, a loss that is no number, or a schedule or loss that
            the model cannot take.
    """
    training = recipe.training
    split, watched = _watched(dataset, training.watch, recipe.seed)
    epochs, rate = training.epochs, training.learning_rate
    if phase == FLOAT:
        epochs, rate = training.float_epochs, training.float_learning_rate or rate
    if not epochs:
        return model
    steps = count(split.x, training.batch_size)
    _check_average(training, epochs * steps, phase)
    checkpoint = None if log is None else log / f"{phase}_checkpoint.keras"
    if resume and checkpoint is not None and checkpoint.exists():
        trained = keras.models.load_model(checkpoint)
        done = int(trained.optimizer.iterations) // steps
        print(f"training, {phase}: taken up after {done} of {epochs} epochs", file=sys.stderr)
    else:
        trained, done = wrapped(model, recipe.defence, seed=recipe.seed, teacher=teacher), 0
        decay = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        trained.compile(
            optimizer=keras.optimizers.Adam(decay, **_averaging(training)),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        # With all variables there, TensorFlow traces the training step once instead of twice.
        trained.optimizer.build(trained.trainable_variables)
    stream = batches(
        split.x,
        split.y,
        batch_size=training.batch_size,
        augment=recipe.data.augment,
        seed=recipe.seed,
    )
    if done < epochs:
        history = trained.fit(
            stream.repeat().skip(done * steps),
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=_callbacks(recipe, split, watched, phase, log, checkpoint, done=done),
        ).history
        _check(history, phase, done)
    elif training.average:  # of a training that was stopped behind its last epoch
        trained.optimizer.finalize_variable_values(trained.trainable_variables)
    inside = unwrapped(trained)
    if training.average and phase == QUANTIZED:
        # Statistics are no weights, and are not averaged: those that are there are of the others.
        measure_statistics(inside, _some(split, training.measured or _MEASURED, recipe.seed))
    return inside


def _check_average(training: Training, steps: int, phase: str) -> None:
    """An average that reaches back to the start of a phase would keep what it started from."""
    momentum = training.average
    if momentum and steps * (1 - momentum) < 1 - 1e-9:
        raise ValueError(
            f"[training] average = {momentum} spans {1 / (1 - momentum):.0f} steps, and the "
            f"{phase} phase has {steps}: take at most {1 - 1 / steps:.4g}, or more epochs."
        )


def _averaging(training: Training) -> dict[str, Any]:
    """Keras's moving average of the weights, which ``fit`` puts in their place at its end."""
    return {"use_ema": True, "ema_momentum": training.average} if training.average else {}


def wrapped(model: Any, defence: Defence, *, seed: int | None = None, teacher: Any = None) -> Any:
    """The model inside the wrappers that the defence asks for, if any."""
    inside = model if teacher is None else Distillation(model, teacher, defence.distillation)
    wrappers: dict[str, Callable[[Any], Any]] = {
        "consistency": lambda weight: Consistency(inside, weight),
        "smooth_adversarial": lambda epsilon: SmoothAdversarial(
            inside, epsilon, norm=defence.attack_norm
        ),
        "boundary": lambda reach: BoundarySamples(
            inside, reach, share=defence.boundary_share, seed=seed
        ),
        "macer": lambda weight: Macer(inside, weight),
        "ibp": lambda epsilon: IntervalBounds(inside, epsilon, kappa=defence.ibp_kappa),
    }
    asked = [name for name in wrappers if getattr(defence, name)]
    if len(asked) > 1:
        raise ValueError(f"[defence] takes one of {', '.join(wrappers)}. Received: {asked}")
    if not asked and teacher is None:
        return model
    outermost = wrappers[asked[0]](getattr(defence, asked[0])) if asked else inside
    inputs = keras.Input(model.inputs[0].shape[1:])
    return keras.Model(inputs, outermost(inputs))


def unwrapped(model: Any) -> Any:
    """The model inside ``wrapped``, not compiled: its file needs no state of an optimizer."""
    last = model.layers[-1]
    if not isinstance(last, AROUND):
        return keras.Model(model.input, model.output, name=model.name)
    while isinstance(last, AROUND):
        last = last.layer
    return last


def save(model: Any, path: Path) -> None:
    """Write a file that is always whole."""
    with replacing(path) as beside:
        model.save(beside)


class _Checkpoint(keras.callbacks.Callback):
    """Saves model and optimizer after every epoch whose loss is a number; always whole files."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if np.isfinite((logs or {}).get("loss", 0.0)):
            save(self.model, self.path)


def _callbacks(
    recipe: Recipe,
    split: Split,
    watched: Split | None,
    phase: str,
    log: Path | None,
    checkpoint: Path | None,
    *,
    done: int,
) -> list[Any]:
    callbacks: list[Any] = [keras.callbacks.TerminateOnNaN(), ReproducibleEpochs()]
    quantization = recipe.quantization
    if phase == QUANTIZED and quantization.weight_schedule:
        schedule = {int(epoch): bits for epoch, bits in quantization.weight_schedule.items()}
        callbacks.append(BitWidthSchedule(schedule))
    training, defence = recipe.training, recipe.defence
    if defence.ibp:
        when = {"warmup": defence.ibp_warmup, "epochs": defence.ibp_ramp}
        callbacks.append(
            IntervalSchedule(
                ramp(start=0, end=defence.ibp, **when),
                ramp(start=1, end=defence.ibp_kappa, **when),
            )
        )
    if phase == QUANTIZED and training.frozen_epochs:
        begin = training.epochs - training.frozen_epochs
        callbacks.append(FreezeStatistics(begin, _some(split, training.measured, recipe.seed)))
    if watched is not None:
        sigma = defence.sigma
        callbacks.append(CertifiedAccuracy(watched.x, watched.y, radii=[sigma], every=5))
    callbacks.append(TqdmCallback(verbose=0, desc=f"training, {phase}", leave=True))
    if log is not None and checkpoint is not None:
        log.mkdir(parents=True, exist_ok=True)
        callbacks.append(Curve(log / f"{phase}.csv", done=done))
        callbacks.append(_Checkpoint(checkpoint))
    return callbacks


def _some(split: Split, count: int, seed: int) -> Any:
    """As many inputs of a part, as a model takes them; None of none."""
    if not count:
        return None
    order = np.random.default_rng(seed).permutation(len(split.x))
    return split.x[np.sort(order[:count])].astype(np.float32)


def _watched(dataset: Dataset, size: int, seed: int) -> tuple[Split, Split | None]:
    """What to train on, and the examples to watch: of the validation part, or held out."""
    if not size:
        return dataset.train, None
    if dataset.validation is not None:
        part = dataset.validation
        return dataset.train, Split(part.x[:size], part.y[:size])
    part = dataset.train
    if size >= len(part.x):
        raise ValueError(
            f"[training] watch = {size} leaves none of {len(part.x)} examples to train on."
        )
    order = np.random.default_rng(seed).permutation(len(part.x))
    kept, held = np.sort(order[size:]), order[:size]
    return Split(part.x[kept], part.y[kept]), Split(part.x[held], part.y[held])


def _check(history: dict[str, list[float]], phase: str, done: int) -> None:
    losses = history["loss"]
    if not np.isfinite(losses[-1]):
        raise ValueError(
            f"The loss of the {phase} network became {losses[-1]} in epoch {done + len(losses)}. "
            f"Lower learning_rate, jacobian or consistency."
        )
