"""``qrobust parity``."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.commands.common import add_reading
from qrobust.commands.inputs import DATA_HELP, load_for
from qrobust.load_keras import is_keras, load_keras

HELP = "count the integers that differ between Keras, the file and every runtime"
_DIFFERS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL.keras", help="what was exported, or module:function"
    )
    parser.add_argument("tflite", type=Path, metavar="MODEL.tflite", help="its export")
    parser.add_argument(
        "--inputs", type=int, default=200, metavar="N", help="random inputs (default: 200)"
    )
    parser.add_argument("--data", type=Path, metavar="DATA", help=f"instead; {DATA_HELP}")
    add_reading(parser)
    parser.add_argument("--seed", type=int, default=0, help="of random inputs (default: 0)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare; the exit status is 1 when any integer differs."""
    from qrobust.certify import read_spec
    from qrobust.certify.file.bundle import refuse_bundle
    from qrobust.certify.file.model_file import read_model
    from tflite_export.check_runs import check_runs

    if args.inputs < 1:
        raise ValueError(f"--inputs is at least 1. Received: {args.inputs}")
    if is_keras(args.tflite):
        raise ValueError(
            f"the Keras model comes first, then its .tflite. Received: {args.model}, {args.tflite}"
        )
    tflite = read_model(args.tflite)
    # What the file alone decides is refused before Keras is loaded, which takes seconds.
    refuse_bundle(tflite)
    read_spec(tflite)
    check_runs(tflite)
    model = load_keras(args.model, allow_code=args.allow_code)
    from qrobust.terminal import show
    from tflite_export import check_parity

    inputs, labels = _inputs(model, tflite, args)
    parity = check_parity(model, tflite, inputs, y=labels)
    if args.json:
        print(json.dumps(asdict(parity)))
    else:
        show(parity)
    return 0 if parity.is_exact else _DIFFERS


def _inputs(model: Any, tflite: bytes, args: argparse.Namespace) -> tuple[Any, Any]:
    """Inputs to compare on, and their labels where there are any."""
    from tflite_export.parity import lower_for_file

    if args.data is not None:
        data = load_for(args.data, args.tflite, args.fit, allow_code=args.allow_code)
        return data.x, data.y
    generator = np.random.default_rng(args.seed)
    lowered = lower_for_file(model, tflite)
    random = [
        grid.dequantize(
            generator.integers(grid.minimum, grid.maximum + 1, (args.inputs, *tensor.shape))
        )
        for grid, tensor in zip(lowered.input_grids, lowered.graph.inputs, strict=True)
    ]
    return random, None
