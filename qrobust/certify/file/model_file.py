"""A fully integer ``.tflite`` file and the interpreter that runs it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.contract import check_one_input, contract_problem, static_shapes
from qrobust.certify.file.metadata import read_metadata
from qrobust.certify.smoothings.input_grid import InputGrid

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
    """

    content: bytes
    sha256: str
    grid: InputGrid
    shape: tuple[int, ...]
    classes: int
    one_row: bool
    not_portable: str

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
    if isinstance(model, bytes):
        return model
    try:
        return Path(model).read_bytes()
    except OSError as error:
        raise CertifyError(f"cannot read the model {os.fspath(model)}: {error.strerror}") from None


def load_model(model: Model) -> ModelFile:
    """Read a file and check that it is an integer classifier.

    Raises:
        CertifyError: not a ``.tflite`` file, refused by the interpreter, several inputs or
            outputs, float tensors, an output that is not ``(batch, classes)``, operators that let
            rows work on each other or remember.
    """
    content = read_model(model)
    read_metadata(content, "")  # checks the identifier before the interpreter sees the file
    one_row = check_one_input(content)
    interpreter = make_interpreter(content, batch=None, kernels="builtin")
    with refusals():
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        _check_shapes(interpreter, content)
    if len(inputs) != 1 or len(outputs) != 1:
        raise CertifyError(
            f"a classifier has 1 input and 1 output, this file {len(inputs)} and {len(outputs)}"
        )
    source, result = inputs[0], outputs[0]
    for name, tensor in (("input", source), ("output", result)):
        dtype = np.dtype(tensor["dtype"]).name
        if dtype not in ("int8", "uint8"):
            raise CertifyError(
                f"the {name} tensor {tensor['name']!r} is {dtype}; only int8 and uint8 files are "
                "certified: export a fully integer file"
            )
    shape = tuple(int(n) for n in source["shape"][1:])
    if len(result["shape"]) != 2 or not shape:
        raise CertifyError(
            f"the output tensor {result['name']!r} has shape {list(result['shape'])}; "
            "a classifier gives (batch, classes)"
        )
    scales = source["quantization_parameters"]["scales"]
    zero_points = source["quantization_parameters"]["zero_points"]
    if len(scales) != 1 or len(zero_points) != 1:
        raise CertifyError(f"the input tensor {source['name']!r} has no scale and zero point")
    grid = InputGrid(np.dtype(source["dtype"]).name, float(scales[0]), int(zero_points[0]))
    classes = int(result["shape"][1])
    if classes < 2:
        raise CertifyError(f"a classifier has 2 classes or more, this file has {classes}")
    return ModelFile(
        content,
        hashlib.sha256(content).hexdigest(),
        grid,
        shape,
        classes,
        one_row,
        contract_problem(content),
    )


def _check_shapes(interpreter: Interpreter, content: bytes) -> None:
    """Shapes decided that rows do not mix: those that the file states have to be the true ones."""
    found = {
        int(detail["index"]): tuple(int(size) for size in detail["shape"])
        for detail in interpreter.get_tensor_details()
    }
    for index, shape in static_shapes(content).items():
        if found.get(index) != shape:
            raise CertifyError(
                f"tensor {index} of the file is said to be {list(shape)} and is "
                f"{list(found.get(index, ()))}; export it again"
            )


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
    with refusals():
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
    """Turn what the interpreter raises at a damaged file into a `CertifyError`."""
    try:
        yield
    except CertifyError:
        raise
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CertifyError(f"the interpreter refuses the .tflite file: {reason}") from None
