"""Inferences a second of one core, file beside file in turns."""

import statistics
import time
from collections.abc import Mapping

import numpy as np
from ai_edge_litert.interpreter import Interpreter

BATCH = 64


def rates(
    files: Mapping[str, bytes], *, rounds: int = 7, seconds: float = 0.2, batch: int = BATCH
) -> dict[str, float]:
    """Median over rounds of inferences a second of processor time, LiteRT XNNPACK, one thread.

    Every round runs every file, so that what else the machine does falls on all of them alike. The
    thread's own time is counted, not the clock's: with one thread LiteRT works in the caller.
    """
    ready = {name: _prepared(content, batch) for name, content in files.items()}
    found: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, (interpreter, size) in ready.items():
            count, started = 0, time.thread_time()
            while (spent := time.thread_time() - started) < seconds:
                interpreter.invoke()
                count += size
            found[name].append(count / spent)
    return {name: statistics.median(values) for name, values in found.items()}


def _prepared(content: bytes, batch: int) -> tuple[Interpreter, int]:
    interpreter = Interpreter(model_content=content, num_threads=1)
    (detail,) = interpreter.get_input_details()
    shape = [batch, *(int(size) for size in detail["shape"][1:])]
    interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    whole = np.issubdtype(detail["dtype"], np.integer)
    low = np.iinfo(detail["dtype"]).min if whole else 0
    interpreter.set_tensor(detail["index"], (pixels + low).astype(detail["dtype"]))
    interpreter.invoke()
    return interpreter, batch
