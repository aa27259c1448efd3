"""Compares devices' output integers with native LiteRT's."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .model_file import as_inputs, read_signature
from .native import Native
from .progress import logger
from .runtime import RunFailed, Runtime, Unavailable, Unsupported


@dataclass(frozen=True)
class Comparison:
    """What came of one device.

    Attributes:
        target: The runtime's name.
        status: "equal", "differs", "skipped" (nothing was run) or "failed" (it crashed).
        version: Runtime, release and device; empty when it could not be installed.
        inputs: Inputs compared.
        integers: Output integers compared.
        differing: Those that are not native LiteRT's.
        first_differing_input: The first input with such an integer.
        largest_difference: The largest absolute difference, in LSB of the output.
        seconds: Wall time of the run, starting the runtime included, installing it excluded.
        reason: Why it was skipped or failed.
    """

    target: str
    status: Literal["equal", "differs", "skipped", "failed"]
    version: str = ""
    inputs: int = 0
    integers: int = 0
    differing: int = 0
    first_differing_input: int | None = None
    largest_difference: int = 0
    seconds: float | None = None
    reason: str | None = None


def compare_targets(
    runtimes: Iterable[Runtime], model: Path, inputs: NDArray[np.integer], cache: Path
) -> Iterator[Comparison]:
    """Runs `inputs` on native LiteRT and on each of `runtimes`; yields each result when it is in.

    Args:
        runtimes: Installed when needed; closed afterwards.
        model: A .tflite with one integer input and one integer output.
        inputs: `(N, ...)` integers in the range of the model's input.
        cache: Keeps what is downloaded.

    Raises:
        ValueError: When model and inputs do not fit together.
    """
    inputs = as_inputs(inputs, read_signature(model))
    native = Native()
    native.install(cache)
    started = time.monotonic()
    expected = native.run(model, inputs)
    yield _judge(native, expected, expected, time.monotonic() - started)
    for runtime in runtimes:
        try:
            yield compare_one(runtime, model, inputs, expected, cache)
        finally:
            runtime.close()


def compare_one(
    runtime: Runtime,
    model: Path,
    inputs: NDArray[np.integer],
    expected: NDArray[np.integer],
    cache: Path,
) -> Comparison:
    """Compares one runtime with integers already at hand, and leaves it running.

    Args:
        runtime: Installed when needed.
        model: A .tflite file.
        inputs: `(N, ...)` in the model's input type.
        expected: `(N, ...)`, what has to come out.
        cache: Keeps what is downloaded.
    """
    try:
        logger.info("%s: installing what is missing", runtime.name)
        runtime.install(cache)
        logger.info("%s: %s, %d inputs", runtime.name, runtime.version, len(inputs))
        started = time.monotonic()
        outputs = runtime.run(model, inputs)
        seconds = time.monotonic() - started
    except (Unavailable, Unsupported) as error:
        return Comparison(runtime.name, "skipped", runtime.version, reason=str(error))
    except RunFailed as error:
        return Comparison(runtime.name, "failed", runtime.version, reason=str(error))
    return _judge(runtime, outputs, expected, seconds)


def _judge(
    runtime: Runtime,
    outputs: NDArray[np.integer],
    expected: NDArray[np.integer],
    seconds: float,
) -> Comparison:
    if (outputs.shape, outputs.dtype) != (expected.shape, expected.dtype):
        reason = (
            f"the output is {outputs.dtype} {outputs.shape}, not {expected.dtype} {expected.shape}"
        )
        return Comparison(runtime.name, "failed", runtime.version, reason=reason)
    distance = np.abs(outputs.astype(np.int64) - expected.astype(np.int64))
    touched = np.flatnonzero(distance.reshape(len(distance), -1).any(axis=1))
    return Comparison(
        runtime.name,
        "differs" if len(touched) else "equal",
        runtime.version,
        inputs=len(outputs),
        integers=outputs.size,
        differing=int(np.count_nonzero(distance)),
        first_differing_input=int(touched[0]) if len(touched) else None,
        largest_difference=int(distance.max()),
        seconds=seconds,
    )
