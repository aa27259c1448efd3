"""Runs inside the emulated ARM64 machine: .npy in, .npy out, one JSON request a line.

Imports nothing of this project: the emulated Python sees only its own packages.
"""

import json
import os
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

_REPORT_EVERY_S = 10.0


def run(request, report):
    """Runs `request["model"]` over `request["inputs"]` in groups of `request["batch"]`."""
    inputs = np.load(request["inputs"])
    batch = request["batch"]
    interpreter = Interpreter(request["model"], num_threads=1)
    slot = interpreter.get_input_details()[0]["index"]
    allocated = None
    outputs = []
    last = time.monotonic()
    for start in range(0, len(inputs), batch):
        group = inputs[start : start + batch]
        if group.shape != allocated:
            interpreter.resize_tensor_input(slot, group.shape, strict=False)
            interpreter.allocate_tensors()
            allocated = group.shape
        interpreter.set_tensor(slot, group)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
        if time.monotonic() - last > _REPORT_EVERY_S:
            last = time.monotonic()
            report({"done": start + len(group)})
    np.save(request["outputs"], np.concatenate(outputs))


def main():
    """Answers requests until standard input ends."""
    # What libraries print must not land between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def report(message):
        print(json.dumps(message), file=answers)

    for line in sys.stdin:
        try:
            run(json.loads(line), report)
            report({"ok": True})
        except Exception as error:  # the parent decides what an error means
            report({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
