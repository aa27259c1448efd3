"""The interpreters at hand, behind one function: a file and integers in, integers out."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export.chatter import without_chatter
from tflite_export.errors import ExportError
from tflite_export.printable import printable
from tflite_export.sandbox.child import Child
from tflite_export.sandbox.errors import RefusedError, SandboxError

Int8 = npt.NDArray[np.int8]
Run = Callable[[bytes, Sequence[Int8]], list[Int8]]

_BATCH = 64
#: Seconds that one runtime may take for all inputs, and bytes that it may give.
_LIMIT_S = 600.0
_LONGEST = 1 << 30


def _litert(resolver: str) -> Run:
    def run(model: bytes, inputs: Sequence[Int8]) -> list[Int8]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with without_chatter():
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
                with without_chatter():
                    interpreter.allocate_tensors()
            for detail, array in zip(ins, batch, strict=True):
                interpreter.set_tensor(detail["index"], _as(array, detail["dtype"]))
            interpreter.invoke()
            pieces.append([_as(interpreter.get_tensor(d["index"]), np.int8) for d in outs])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    return run


def _tflm(model: bytes, inputs: Sequence[Int8]) -> list[Int8]:
    from ai_edge_litert.interpreter import Interpreter
    from tflite_micro import runtime

    with without_chatter():
        details = Interpreter(model_content=model)
    dtypes = [detail["dtype"] for detail in details.get_input_details()]
    outputs = len(details.get_output_details())
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=_arena(details))
    pieces = []
    for row in zip(*inputs, strict=True):
        for index, (array, dtype) in enumerate(zip(row, dtypes, strict=True)):
            interpreter.set_input(_as(array[None], dtype), index)
        interpreter.invoke()
        pieces.append([_as(np.array(interpreter.get_output(i)), np.int8) for i in range(outputs)])
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _arena(interpreter: Any) -> int:
    """Far more than any planner needs: an arena that is too small can crash the process."""
    sizes = [int(np.prod(detail["shape"])) for detail in interpreter.get_tensor_details()]
    return 2**20 + 4 * sum(sizes)


def _as(array: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """int8 as the same integers shifted by 128 in uint8, or back."""
    if array.dtype == dtype:
        return array
    return (array.astype(np.int16) + (128 if dtype == np.uint8 else -128)).astype(dtype)


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


def not_installed(name: str) -> str | None:
    """Why a runtime can run nothing here; None when it is there.

    Raises:
        ValueError: no such runtime.
    """
    if name not in RUNTIMES:
        raise ValueError(f"Runtimes are {', '.join(RUNTIMES)}. Received: {name!r}")
    package = "tflite_micro" if name == "TFLM" else "ai_edge_litert"
    return f"{package} is not installed" if find_spec(package) is None else None


def missing(name: str, model: bytes) -> str | None:
    """Why a runtime cannot run a model here; None when it can."""
    why = not_installed(name)
    if why is not None:
        return why
    if name == "TFLM" and _has_int2(model):
        return "TFLM has no kernels for int2 weights"
    return None


def _has_int2(model: bytes) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    kinds = {graph.Tensors(i).Type() for i in range(graph.TensorsLength())}
    return schema.TensorType.INT2 in kinds


def run(name: str, model: bytes, inputs: Sequence[Int8], *, trusted: bool = False) -> list[Int8]:
    """Run a model on one runtime.

    Args:
        name: a key of ``RUNTIMES``.
        model: the ``.tflite``.
        inputs: one int8 array per input, shape (batch, ...); a uint8 model gets them plus 128.
        trusted: run it in this process; any other file runs in a child with limits.

    Returns:
        One int8 array per output, shape (batch, ...).

    Raises:
        ExportError: a file that does not survive, or that the runtime refuses.
    """
    if trusted:
        return RUNTIMES[name](model, inputs)
    try:
        with closing(Child(serve_run, (name, model))) as child:
            return _read(child.call(list(inputs), limit_s=_LIMIT_S, longest=_LONGEST))
    except RefusedError as error:
        raise ExportError(f"{name} refuses the .tflite file: {printable(error)}") from None
    except SandboxError as error:
        raise ExportError(
            f"The .tflite file is damaged ({name}: {error}). Export or copy it again."
        ) from None


def serve_run(name: str, model: bytes) -> Callable[[Any], bytes]:
    """Handler of a child that runs inputs: the outputs' shapes as JSON, a line end, integers."""

    def handle(inputs: Sequence[Int8]) -> bytes:
        outputs = RUNTIMES[name](model, inputs)
        shapes = json.dumps([array.shape for array in outputs]).encode()
        return shapes + b"\n" + b"".join(array.astype(np.int8).tobytes() for array in outputs)

    return handle


def _read(answer: memoryview) -> list[Int8]:
    """What `serve_run` gave, believed no further than its sizes go."""
    header, _, content = bytes(answer).partition(b"\n")
    try:
        shapes = [tuple(int(n) for n in shape) for shape in json.loads(header)]
        ends = np.cumsum([0, *(prod(shape) for shape in shapes)])
        if ends[-1] != len(content):
            raise ValueError
        pieces = zip(ends, ends[1:], shapes, strict=False)
        return [np.frombuffer(content[a:b], np.int8).reshape(shape) for a, b, shape in pieces]
    except (ValueError, TypeError):
        raise SandboxError("its outputs make no sense") from None
