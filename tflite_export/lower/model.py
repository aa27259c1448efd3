"""A whole model: inputs find their grids, layers are lowered in order, outputs are collected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import IntegerGraph, Tensor
from tflite_export.grid import Grid
from tflite_export.input_grids import described, input_grid_named
from tflite_export.keras_private import functional, input_name, is_model, walk
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.checks import check_layer
from tflite_export.lower.registry import lowering_of
from tflite_export.lower.values import OnGrid, Pending, PendingInput, Probabilities, Result


@dataclass(frozen=True)
class Lowered:
    """A model as integers.

    Attributes:
        graph: what every device must compute.
        input_grids: per input, the grid in Keras's units.
        output_grids: per output, the grid in Keras's units; a final softmax is left out.
        notes: what is not exact, in words.
    """

    graph: IntegerGraph
    input_grids: tuple[Grid, ...]
    output_grids: tuple[Grid, ...]
    notes: tuple[str, ...]

    @property
    def described_inputs(self) -> dict[str, str]:
        """Input -> what it holds, in the caller's units, and whether anybody said so."""
        guess = " (assumed: nothing says what the input holds; input_grid= does)"
        return {
            tensor.name: described(grid) + guess * grid.assumed
            for tensor, grid in zip(self.graph.inputs, self.input_grids, strict=True)
        }


def lower(
    model: Any,
    *,
    input_grid: Grid | str | Mapping[str, Grid | str] | None = None,
    output_grid: Grid | None = None,
    exact: bool = True,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    data: Sequence[Any] | None = None,
) -> Lowered:
    """Lower a Sequential or Functional Keras model.

    Args:
        model: a built model whose layers are quantized.
        input_grid: the inputs' grid, or one per input name, in Keras's units, or its name. By
            default what the model says itself (a quantized activation or a noise layer on the
            input), else pixels 0 to 255.
        output_grid: the grid of outputs that no quantizer rounds.
        exact: refuse whatever could differ from ``model.predict`` by one integer.
        ranges: values seen of layers' outputs, by layer name, for what nothing quantizes.
        data: one array per input, for grids that are taken from data.

    Raises:
        ExportError: a layer has no integer form, or no exact one.
        ValueError: ``input_grid`` names no input, or no grid.
    """
    builder = Builder(exact=exact, ranges=ranges or {})
    tensors = functional(model).inputs
    grids = _grids([input_name(tensor) for tensor in tensors], input_grid, data)
    inputs = [
        _Input(name, tuple(tensor.shape[1:]), builder, grids[name])
        for name, tensor in zip(grids, tensors, strict=True)
    ]
    outputs = _run(model, [i.value for i in inputs], builder)
    values = [_output(value, builder, model.name, output_grid) for value in outputs]
    graph = IntegerGraph(
        name=model.name,
        inputs=tuple(i.tensor for i in inputs),
        outputs=tuple(value.tensor for value in values),
        operators=tuple(builder.operators),
    )
    return Lowered(
        graph=graph,
        input_grids=tuple(i.tensor.grid for i in inputs),
        output_grids=tuple(value.grid for value in values),
        notes=tuple(builder.notes),
    )


def _grids(
    names: Sequence[str],
    given: Grid | str | Mapping[str, Grid | str] | None,
    data: Sequence[Any] | None,
) -> dict[str, Grid | None]:
    """The grids that the caller named, by input; None where that is nobody's business yet."""
    if not isinstance(given, Mapping):
        given = {} if given is None else dict.fromkeys(names, given)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"input_grid names {unknown}; the model's inputs are {list(names)}.")
    arrays = dict(zip(names, data or [None] * len(names), strict=True))
    return {
        name: input_grid_named(given[name], arrays[name]) if name in given else None
        for name in names
    }


def lower_layer(layer: Any, inputs: Sequence[Any], builder: Builder) -> Any:
    """Lower one layer or nested model; wrappers call this for what they wrap."""
    if is_model(layer):
        outputs = _run(layer, inputs, builder)
        return outputs[0] if len(outputs) == 1 else outputs
    for value in inputs:
        if isinstance(value, Probabilities):
            raise ExportError(
                f"Layer '{layer.name}': reads the softmax of '{value.layer}', or the sigmoid, "
                f"which is exact on no device, so only a final one can be exported (it is left "
                f"out). Use a quantized activation there."
            )
    check_layer(layer)
    result = lowering_of(layer)(layer, inputs, builder)
    if isinstance(result, Pending) and layer.name in builder.ranges:
        return replace(result, bounds=builder.ranges[layer.name])
    return result


def _run(model: Any, inputs: Sequence[Result], builder: Builder) -> list[Result]:
    return walk(model, inputs, lambda layer, values: lower_layer(layer, values, builder))


class _Input:
    """A graph input whose grid the first reader decides."""

    def __init__(
        self,
        name: str,
        shape: tuple[int | None, ...],
        builder: Builder,
        chosen: Grid | None,
    ) -> None:
        if None in shape:
            raise ExportError(f"Input '{name}' has the open shape {shape}; give every size.")
        self._name, self._shape, self._builder = name, tuple(s for s in shape if s), builder
        self._chosen = chosen
        self._tensor: Tensor | None = None
        default = self._chosen or replace(Grid.pixels(), assumed=True)
        self.value = PendingInput(name, self._shape, once(self._settle), lossless=default)

    @property
    def tensor(self) -> Tensor:
        if self._tensor is None:
            raise ExportError(
                f"Input '{self._name}' is read by no layer that computes. Leave "
                f"it out of the model's inputs."
            )
        return self._tensor

    def _settle(self, grid: Grid) -> OnGrid:
        if self._chosen is not None and grid != self._chosen:
            raise ExportError(
                f"Input '{self._name}' was given the grid ({self._chosen}) but the model quantizes "
                f"it to ({grid}). Leave input_grid out, or make them equal."
            )
        if self._tensor is not None:
            raise ExportError(
                f"Input '{self._name}' is read on two grids, ({self._tensor.grid}) and ({grid}). "
                f"Quantize it once, right after the input."
            )
        self._tensor = self._builder.tensor(self._name, self._shape, grid)
        return OnGrid(self._tensor)


def _output(value: Result, builder: Builder, name: str, grid: Grid | None) -> OnGrid:
    if isinstance(value, Probabilities):
        value = value.logits
    if isinstance(value, Pending) and grid is not None:
        return value.on(grid)
    return builder.on_grid(value, reader=f"the output of '{name}'")
