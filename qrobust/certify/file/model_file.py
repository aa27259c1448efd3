"""A fully integer ``.tflite`` file and the interpreter that runs it.

A file from outside reaches the interpreter in a process of its own only (see
``tflite_export.sandbox``). In this process run files that the caller trusts and that the integer
contract's reader accepts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import refuse_bundle
from qrobust.certify.file.contract import check_one_input, contract_problem, static_shapes
from qrobust.certify.file.metadata import read_metadata
from qrobust.certify.file.model_bytes import model_bytes
from qrobust.certify.smoothings.input_grid import InputGrid
from tflite_export.chatter import without_chatter
from tflite_export.printable import printable
from tflite_export.sandbox.child import Child
from tflite_export.sandbox.errors import RefusedError, SandboxError

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

#: A path or the file's bytes.
Model: TypeAlias = str | os.PathLike[str] | bytes

#: Kernel families of LiteRT: name -> OpResolverType.
KERNELS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}

#: Numbers of one input, and classes; a file that claims more is refused.
MOST_COORDINATES = 1 << 22
MOST_CLASSES = 1 << 16


class DamagedFileError(CertifyError):
    """A file that ends, hangs or exhausts the process that runs it."""


_Shapes: TypeAlias = dict[int, tuple[int, ...]]

#: A batch at which shapes are looked at again; any but the file's own would do.
_LARGER = 3


@dataclass(frozen=True)
class ModelFile:
    """A checked classifier file.

    Attributes:
        content: the file.
        sha256: of the file, hexadecimal.
        grid: of the input tensor.
        shape: of one input, without the batch.
        classes: length of the output.
        one_row: whether it fixes its batch, so that rows run one at a time.
        not_portable: why kernels may differ on it; empty for a file of the integer contract, whose
            integers are the same on every one.
        trusted: whether it may run in this process.
        output_scale: step of the output's grid; 0 where the file has none.
        output_zero_point: likewise.
    """

    content: bytes
    sha256: str
    grid: InputGrid
    shape: tuple[int, ...]
    classes: int
    one_row: bool
    not_portable: str
    trusted: bool = False
    output_scale: float = 0.0
    output_zero_point: int = 0

    @property
    def coordinates(self) -> int:
        """Numbers in one input."""
        return prod(self.shape)


@cache
def runtime() -> str:
    """Name and version of the interpreter."""
    from importlib.metadata import version

    return f"ai-edge-litert {version('ai-edge-litert')}"


def read_model(model: Model) -> bytes:
    """Return the file's bytes; raise `CertifyError` where it cannot be read."""
    return model if isinstance(model, bytes) else model_bytes(model)


def load_model(model: Model, *, trusted: bool = False) -> ModelFile:
    """Read a file and check that it is an integer classifier.

    Args:
        model: path or bytes.
        trusted: run it in this process; for files whose origin is known.

    Raises:
        CertifyError: not a ``.tflite`` file, refused by the interpreter, several inputs or
            outputs, float tensors, an output that is not ``(batch, classes)``, operators that let
            rows work on each other or remember, or one to be trusted outside of the contract.
    """
    content = read_model(model)
    refuse_bundle(content)
    read_metadata(content, "")  # checks the identifier before the interpreter sees the file
    one_row = check_one_input(content)
    not_portable = contract_problem(content)
    if trusted:
        if not_portable:
            raise CertifyError(
                "only files of the integer contract can be trusted, and this one is none "
                f"({not_portable}) run it without trusting it"
            )
        details = json.loads(describe(content))
    else:
        with sandboxed(), closing(Child(serve_description, (content,))) as child:
            details = json.loads(bytes(child.call(None)))
    (inputs, outputs), shapes, larger = _described(details)
    _check_shapes(shapes, larger, content, one_row=one_row)
    if len(inputs) != 1 or len(outputs) != 1:
        raise CertifyError(
            f"a classifier has 1 input and 1 output, this file {len(inputs)} and {len(outputs)}"
        )
    source, result = inputs[0], outputs[0]
    for name, tensor in (("input", source), ("output", result)):
        if tensor.dtype not in ("int8", "uint8"):
            raise CertifyError(
                f"the {name} tensor {tensor.name} is {tensor.dtype}; only int8 and uint8 files "
                "are certified: export a fully integer file"
            )
    shape = source.shape[1:]
    if len(result.shape) != 2 or not shape:
        raise CertifyError(
            f"the output tensor {result.name} has shape {list(result.shape)}; "
            "a classifier gives (batch, classes)"
        )
    if min(shape) < 1 or prod(shape) > MOST_COORDINATES:
        raise CertifyError(
            f"the input tensor {source.name} has shape {list(shape)}; an input has 1 to "
            f"{MOST_COORDINATES} numbers"
        )
    if len(source.scales) != 1 or len(source.zero_points) != 1:
        raise CertifyError(f"the input tensor {source.name} has no scale and zero point")
    grid = InputGrid(source.dtype, source.scales[0], source.zero_points[0])
    classes = result.shape[1]
    if classes < 2:
        raise CertifyError(f"a classifier has 2 classes or more, this file has {classes}")
    if classes > MOST_CLASSES:
        raise CertifyError(
            f"a classifier has at most {MOST_CLASSES} classes, this file has {classes}"
        )
    return ModelFile(
        content,
        hashlib.sha256(content).hexdigest(),
        grid,
        shape,
        classes,
        one_row,
        not_portable,
        trusted,
        result.scales[0] if result.scales else 0.0,
        result.zero_points[0] if result.zero_points else 0,
    )


def _check_shapes(found: _Shapes, larger: _Shapes, content: bytes, *, one_row: bool) -> None:
    """Shapes decided that rows do not mix: those that the file states have to be the true ones.

    Args:
        found: of the interpreter's tensors, at the file's own batch.
        larger: the same at a batch of `_LARGER`; every one has to have the batch in front.
        content: the file.
        one_row: whether the file is cleared for a batch of one only.
    """
    for index, shape in static_shapes(content).items():
        truly = [(found.get(index), shape)]
        if not one_row:
            truly.append((larger.get(index), (_LARGER, *shape[1:])))
        for true, said in truly:
            if true != said:
                raise CertifyError(
                    f"tensor {index} of the file should be {list(said)} and is "
                    f"{list(true or ())}; export it again"
                )


@dataclass(frozen=True)
class _TensorDetails:
    """What the interpreter says of an input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]


def _described(details: Any) -> tuple[list[list[_TensorDetails]], _Shapes, _Shapes]:
    """Check what came out of another process; `CertifyError` where it makes no sense."""
    try:
        sides = [
            [
                _TensorDetails(
                    repr(printable(name)),
                    printable(dtype),
                    tuple(map(int, shape)),
                    tuple(map(float, scales)),
                    tuple(map(int, zero_points)),
                )
                for name, dtype, shape, scales, zero_points in tensors
            ]
            for tensors in (details["inputs"], details["outputs"])
        ]
        shapes, larger = (
            {int(index): tuple(map(int, shape)) for index, shape in details[name]}
            for name in ("shapes", "larger")
        )
        return sides, shapes, larger
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DamagedFileError(
            "the interpreter says nothing sensible of the .tflite file"
        ) from None


def serve_description(content: bytes) -> Callable[[Any], bytes]:
    """Handler of a child that describes a file; see `describe`."""
    return lambda request: describe(content).encode()


def describe(content: bytes) -> str:
    """Return the inputs and outputs of a file, and the shapes of all tensors, as JSON."""
    interpreter = make_interpreter(content, batch=None, kernels="builtin")
    with refusals():
        sides = (interpreter.get_input_details(), interpreter.get_output_details())
        shapes = _shapes_of(interpreter)
    try:
        larger = _shapes_of(make_interpreter(content, batch=_LARGER, kernels="builtin"))
    except CertifyError:
        larger = []  # a file that fixes its batch
    texts = [
        [
            (
                tensor["name"][:256],
                np.dtype(tensor["dtype"]).name,
                [int(n) for n in tensor["shape"]],
                # One is enough to quantize, two are too many.
                [float(n) for n in tensor["quantization_parameters"]["scales"][:2]],
                [int(n) for n in tensor["quantization_parameters"]["zero_points"][:2]],
            )
            for tensor in side[:2]
        ]
        for side in sides
    ]
    return json.dumps({"inputs": texts[0], "outputs": texts[1], "shapes": shapes, "larger": larger})


def _shapes_of(interpreter: Interpreter) -> list[tuple[int, list[int]]]:
    return [
        (int(detail["index"]), [int(size) for size in detail["shape"]])
        for detail in interpreter.get_tensor_details()
    ]


def make_interpreter(content: bytes, *, batch: int | None, kernels: str = "xnnpack") -> Interpreter:
    """Return an allocated single-threaded interpreter.

    Args:
        content: the file.
        batch: inputs per ``invoke``; None keeps the file's own.
        kernels: one of `KERNELS`.

    Raises:
        CertifyError: the interpreter refuses the file or the batch.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if kernels not in KERNELS:
        raise CertifyError(f"unknown kernels {kernels!r}; known: {', '.join(KERNELS)}")
    resolver = OpResolverType[KERNELS[kernels]]
    with refusals(), without_chatter():
        interpreter = Interpreter(
            model_content=content, num_threads=1, experimental_op_resolver_type=resolver
        )
        if batch is not None:
            source = interpreter.get_input_details()[0]
            shape = [batch, *(int(n) for n in source["shape"][1:])]
            interpreter.resize_tensor_input(source["index"], shape)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def refusals() -> Iterator[None]:
    """Turn whatever the interpreter raises at a damaged file into a `CertifyError`."""
    try:
        yield
    except CertifyError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CertifyError(
            f"the interpreter refuses the .tflite file: {printable(reason)}"
        ) from None


@contextmanager
def sandboxed() -> Iterator[None]:
    """Turn what a child says or suffers into a `CertifyError`."""
    try:
        yield
    except RefusedError as error:
        raise CertifyError(printable(error)) from None
    except SandboxError as error:
        raise DamagedFileError(
            f"the .tflite file is damaged: {error}; export or copy it again"
        ) from None
