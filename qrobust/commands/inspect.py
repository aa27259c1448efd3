"""``qrobust inspect``."""

import argparse
from collections.abc import Iterator
from pathlib import Path

HELP = "show the layers, grids and smoothing spec of a .tflite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL.tflite",
        help="any .tflite, or a .bundle; exit status 0 says that certify would run it (given a "
        "--sigma where it has no smoothing spec), or that it has none and meets the integer "
        "contract; 2 that certify refuses it",
    )


def run(args: argparse.Namespace) -> int:
    """Print what the file holds; then raise an error where ``certify`` would refuse it.

    What cannot be read is an error alone: nothing is printed before all of it was read.
    """
    from qrobust.certify.file.model_file import read_model
    from qrobust.terminal import show

    content = read_model(args.model)
    for text in list(_described(content)):
        show(text)
    _check_certifiable(content)
    return 0


def _check_certifiable(content: bytes) -> None:
    """Raise `CertifyError` unless ``certify`` would run it, given a sigma where it has no spec."""
    from qrobust.certify import Certifier, CertifyError, read_spec
    from qrobust.certify.file.bundle import is_bundle
    from tflite_export.contract import contract_problem

    single = not is_bundle(content)
    specified = read_spec(content) is not None
    if single and not specified and not contract_problem(content):
        return
    try:
        Certifier(content, sigma=None if specified else 1, threads=1).close()
    except CertifyError as error:
        raise CertifyError(f"qrobust certify refuses this file: {error}") from None


def _described(content: bytes) -> Iterator[str]:
    """Paragraphs about a file, or about a bundle and each of its members."""
    from qrobust.certify.file.bundle import files_of, is_bundle, read_bundle

    if is_bundle(content):
        yield read_bundle(content).text()
    for number, model in enumerate(files_of(content), 1):
        if is_bundle(content):
            yield f"\nmember {number}"
        yield from _of_file(model)


def _of_file(model: bytes) -> Iterator[str]:
    from qrobust.certify import read_spec
    from tflite_export.clients import described
    from tflite_export.contract import contract_problem
    from tflite_export.inspection import inspect
    from tflite_export.printable import printable
    from tflite_export.read import read_graph

    yield str(inspect(model))
    spec = read_spec(model)
    problem = contract_problem(model)
    if problem:
        yield f"outside the integer contract, kernels may differ: {printable(problem, 1000)}"
    else:
        yield "meets the integer contract: the same integers on every kernel"
        yield from map(printable, described(read_graph(model)).splitlines())
    if spec is None:
        yield "no smoothing spec"
        return
    size, threshold = spec.counting or (0, 0)
    tables = ", ".join(f"n = {t.n}, alpha = {t.alpha}" for t in spec.tables) or "none"
    scale = (
        f" of size {size}, least margin {threshold}"
        if spec.sigma is None
        else f", sigma {float(spec.sigma):g} steps of the grid"
    )
    unit = "" if spec.unit is None else f", one step: {printable(spec.unit)}"
    yield f"smoothing spec: {spec.noise}{scale}{unit}, radius tables: {tables}"
