"""The interpreters at hand, behind one function: a file and integers in, integers out."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Run = Callable[[bytes, Sequence[Int8]], list[Int8]]

_BATCH = 64


def _litert(resolver: str) -> Run:
    def run(model: bytes, inputs: Sequence[Int8]) -> list[Int8]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=getattr(OpResolverType, resolver),
        )
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        pieces = []
        size = 0
        for batch in _batches(inputs):
            if len(batch[0]) != size:
                size = len(batch[0])
                for detail, array in zip(ins, batch, strict=True):
                    interpreter.resize_tensor_input(detail["index"], array.shape)
                interpreter.allocate_tensors()
            for detail, array in zip(ins, batch, strict=True):
                interpreter.set_tensor(detail["index"], array)
            interpreter.invoke()
            pieces.append([interpreter.get_tensor(detail["index"]) for detail in outs])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    return run


def _tflm(model: bytes, inputs: Sequence[Int8]) -> list[Int8]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=_arena(model))
    pieces: list[list[Any]] = []
    for row in zip(*inputs, strict=True):
        for index, array in enumerate(row):
            interpreter.set_input(array[None], index)
        interpreter.invoke()
        count = len(pieces[0]) if pieces else _output_count(model)
        pieces.append([np.array(interpreter.get_output(i)) for i in range(count)])
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _arena(model: bytes) -> int:
    """Far more than any planner needs: an arena that is too small can crash the process."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=model).get_tensor_details()
    return 2**20 + 4 * sum(int(np.prod(d["shape"])) for d in details)


def _output_count(model: bytes) -> int:
    from ai_edge_litert.interpreter import Interpreter

    return len(Interpreter(model_content=model).get_output_details())


def _batches(inputs: Sequence[Int8]) -> Iterator[list[Int8]]:
    for start in range(0, len(inputs[0]), _BATCH):
        yield [np.ascontiguousarray(array[start : start + _BATCH]) for array in inputs]


XNNPACK = "LiteRT XNNPACK"
RUNTIMES: dict[str, Run] = {
    XNNPACK: _litert("AUTO"),
    "LiteRT optimized": _litert("BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "LiteRT reference": _litert("BUILTIN_REF"),
    "TFLM": _tflm,
}


def missing(name: str) -> str | None:
    """Why a runtime cannot run here; None when it can."""
    package = "tflite_micro" if name == "TFLM" else "ai_edge_litert"
    if find_spec(package) is None:
        return f"{package} is not installed"
    return None


def run(name: str, model: bytes, inputs: Sequence[Int8]) -> list[Int8]:
    """Run a model on one runtime.

    Args:
        name: a key of ``RUNTIMES``.
        model: the ``.tflite``.
        inputs: one array per input, shape (batch, ...), the model's own dtype.

    Returns:
        One array per output, shape (batch, ...).
    """
    return RUNTIMES[name](model, inputs)
