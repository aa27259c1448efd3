"""What the members of an ensemble must share, and the grid on which their logits meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from qrobust.ensembles.integer_weights import LARGEST
from qrobust.layers.grid_noise import GridNoise
from qrobust.layers.input_noise import input_noise
from tflite_export.errors import ExportError
from tflite_export.grid import INT8_MAX, INT8_MIN, Grid
from tflite_export.input_grids import described
from tflite_export.logits import logits_model
from tflite_export.lower import lower


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        model: copy under a name of its own, from inputs to logits; the caller's is left alone.
        input_grid: of its input, in the units of ``model.predict``.
        logit_grid: of its logits.
    """

    model: Any
    input_grid: Grid
    logit_grid: Grid


def members_of(models: Sequence[Any]) -> tuple[Member, ...]:
    """Copies of quantized models that can be combined.

    Raises:
        ValueError: no models, one that does not export exactly or has not one input and one row of
            logits, or models that differ in inputs or classes.
    """
    if not models:
        raise ValueError("An ensemble has at least one member. Received: none")
    found = tuple(_member(model, number) for number, model in enumerate(models, 1))
    first = found[0]
    for number, other in enumerate(found[1:], 2):
        for what, a, b in (
            ("inputs of shape", _shape(first.model.inputs), _shape(other.model.inputs)),
            ("inputs of", described(first.input_grid), described(other.input_grid)),
            ("logits of shape", _shape(first.model.outputs), _shape(other.model.outputs)),
        ):
            if a != b:
                raise ValueError(
                    f"Members see the same inputs and tell the same classes apart. Member 1 has "
                    f"{what} {a}, member {number} ('{models[number - 1].name}') {b}."
                )
        if first.input_grid != other.input_grid:
            raise ValueError(
                f"Member 1 reads its input on the grid ({first.input_grid}), member {number} on "
                f"({other.input_grid}). Quantize both with one input_grid."
            )
    return found


def equal_weights(grids: Sequence[Grid]) -> tuple[int, ...]:
    """Weights, in steps of every grid, of the plain mean of real logits.

    Raises:
        ValueError: steps so different that no integers up to 31 have their proportions.
    """
    exponents = [grid.exponent for grid in grids]
    if max(exponents) - min(exponents) >= LARGEST.bit_length():
        raise ValueError(
            f"The members' logits have steps from 2^{min(exponents)} to 2^{max(exponents)}, so "
            f"that the coarsest would drown the others in a plain mean. Give weights, which count "
            f"in steps of each member's own grid, or learn them."
        )
    return tuple(2 ** (exponent - min(exponents)) for exponent in exponents)


def share_noise(members: Sequence[Member]) -> GridNoise | None:
    """Move the members' noise to one layer that they share; None unless all have it alike.

    Seeds and names may differ. The layers of the copies stay, with a sigma of zero.
    """
    layers, configs = [], []
    for member in members:
        try:
            layers.append(input_noise(member.model))
        except ValueError:
            return None
        config = {k: v for k, v in layers[-1].get_config().items() if k not in ("name", "seed")}
        configs.append(config | {"sigma": list(layers[-1].sigma)})
    if any(config != configs[0] for config in configs):
        return None
    for layer in layers:
        layer.sigma = 0.0
    return GridNoise(**{**configs[0], "seed": None, "name": "noise"})


def _member(model: Any, number: int) -> Member:
    try:
        stripped = logits_model(model, sigmoid=True)
        lowered = lower(stripped)
    except ExportError as error:
        raise ValueError(
            f"Member {number} ('{getattr(model, 'name', '')}') is no network that exports exactly: "
            f"{error}"
        ) from None
    outputs, grid = stripped.outputs, lowered.output_grids[0]
    if len(stripped.inputs) != 1 or len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError(
            f"Member {number} ('{model.name}') has outputs {_shape(outputs)} for inputs "
            f"{_shape(stripped.inputs)}; a member has one input and one row of logits."
        )
    if grid.maximum - grid.zero_point > INT8_MAX or grid.minimum - grid.zero_point < INT8_MIN:
        raise ValueError(
            f"Member {number} ('{model.name}') has logits on the grid ({grid}); logits meet on a "
            f"signed one. Let it end in a quantized activation such as QuantizedBits(8, 3)."
        )
    return Member(_renamed(stripped, f"member_{number}"), lowered.input_grids[0], grid)


def _renamed(model: Any, name: str) -> Any:
    """A copy with the same weights: Keras wants every nested model under a name of its own."""
    copy = type(model).from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy


def _shape(tensors: Sequence[Any]) -> Any:
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes


def input_of(members: Sequence[Member]) -> Any:
    """A Keras input as the members take it."""
    tensor = members[0].model.inputs[0]
    return keras.Input(tuple(tensor.shape[1:]), dtype=tensor.dtype, name="inputs")
