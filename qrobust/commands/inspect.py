"""``qrobust inspect``."""

import argparse
from pathlib import Path

HELP = "show the layers, grids and smoothing spec of a .tflite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL.tflite", help="any .tflite, or a .bundle"
    )


def run(args: argparse.Namespace) -> int:
    """Print what the file holds."""
    from qrobust.certify.file.bundle import files_of, is_bundle, read_bundle
    from qrobust.certify.file.model_file import read_model

    content = read_model(args.model)
    if is_bundle(content):
        print(read_bundle(content).text())
    for number, model in enumerate(files_of(content), 1):
        if is_bundle(content):
            print(f"\nmember {number}")
        _show_file(model)
    return 0


def _show_file(model: bytes) -> None:
    """Print what one file holds."""
    from qrobust.certify import read_spec
    from qrobust.terminal import show
    from tflite_export.clients import described
    from tflite_export.contract import contract_problem
    from tflite_export.inspection import inspect
    from tflite_export.printable import printable
    from tflite_export.read import read_graph

    show(inspect(model))
    spec = read_spec(model)
    problem = contract_problem(model)
    show(
        f"outside the integer contract, kernels may differ: {problem}"
        if problem
        else "meets the integer contract: the same integers on every kernel"
    )
    if not problem:
        show("\n".join(map(printable, described(read_graph(model)).splitlines())))
    if spec is None:
        print("no smoothing spec")
    else:
        size, threshold = spec.counting or (0, 0)
        tables = ", ".join(f"n = {t.n}, alpha = {t.alpha}" for t in spec.tables) or "none"
        scale = (
            f" of size {size}, least margin {threshold}"
            if spec.sigma is None
            else f", sigma {float(spec.sigma):g} steps of the grid"
        )
        unit = "" if spec.unit is None else f", one step: {printable(spec.unit)}"
        show(f"smoothing spec: {spec.noise}{scale}{unit}, radius tables: {tables}")
