"""A quantized network from pictures to pictures in front of another one, as one model."""

from typing import Any

import keras

from qrobust.layers.input_noise import input_noise
from tflite_export.errors import ExportError
from tflite_export.input_grids import described
from tflite_export.lower import lower


def in_front(front: Any, network: Any, *, name: str = "chain") -> Any:
    """One model, ``network(front(x))``, that exports as one exact file.

    Nothing is rounded between the two: the front's outputs lie on the very grid that the network
    reads, or they are refused. Both are copied with their weights. Noise belongs in front of the
    whole: a ``GridNoise`` of the network is kept with a sigma of 0, that of the front as it is.

    Args:
        front: a quantized model, one input, one output of the network's input shape: a denoiser
            (``architectures.denoiser``), a ``companding``.
        network: a quantized model of one input.
        name: of the model.

    Raises:
        ValueError: a model that does not export exactly, or a front whose outputs are not on the
            network's input grid or have another shape.
    """
    grids = []
    for what, model in (("front", front), ("network", network)):
        if len(getattr(model, "inputs", ())) != 1 or len(model.outputs) != 1:
            raise ValueError(f"The {what} has one input and one output. Received: {model!r}")
        try:
            lowered = lower(model)
        except ExportError as error:
            raise ValueError(
                f"The {what} '{model.name}' does not export exactly: {error}"
            ) from None
        grids.append(lowered.output_grids[0] if what == "front" else lowered.input_grids[0])
    shapes = tuple(front.outputs[0].shape[1:]), tuple(network.inputs[0].shape[1:])
    if shapes[0] != shapes[1] or grids[0] != grids[1]:
        raise ValueError(
            f"The front '{front.name}' gives {shapes[0]}, {described(grids[0])} ({grids[0]}); the "
            f"network '{network.name}' reads {shapes[1]}, {described(grids[1])} ({grids[1]}). They "
            f"have to be the same."
        )
    first, second = (
        _copy(model, f"{name}_{what}") for what, model in (("front", front), ("network", network))
    )
    try:
        input_noise(second).sigma = 0.0
    except ValueError:
        pass  # a network that says its grid by a quantizer
    source = front.inputs[0]
    inputs = keras.Input(tuple(source.shape[1:]), dtype=source.dtype, name="inputs")
    return keras.Model(inputs, second(first(inputs)), name=name)


def _copy(model: Any, name: str) -> Any:
    copy = type(model).from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy
