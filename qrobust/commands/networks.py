"""Keras networks where a command is about a ``.tflite``: they are exported first."""

import argparse
import sys
from pathlib import Path
from typing import Any

from qrobust.certify.commands.common import check_scale
from qrobust.load_keras import is_keras, load_keras

NETWORK_HELP = "; or a quantized .keras, or module:function that returns one, exported first"


def export_first(args: argparse.Namespace, beside: str | Path | None, *, kept: bool = True) -> None:
    """Put the file that a Keras network exports to in the place of ``args.model``.

    What a command says is about the bytes of a file, so the file is written and named, never a
    passing thing. Its smoothing spec holds ``--sigma``, where the command has one, else the noise
    that the network was trained with.

    Args:
        args: of the command line; nothing happens where ``model`` is no Keras network.
        beside: what the command writes; the file gets its name with ``.tflite``.
        kept: whether the file stays, which is then said.

    Raises:
        ValueError: a network that does not export exactly, or whose noise is counted views; no
            place for the file, or another file in its place.
    """
    if not is_keras(args.model):
        return
    from qrobust.certify.run.journal import is_stream

    if beside is None or is_stream(str(beside)):
        raise ValueError(
            f"'{args.model}' is a Keras network, and its .tflite is written beside --out: give a "
            f"file there, or export it first: qrobust export {args.model} OUT.tflite"
        )
    place = Path(beside)
    path = (place.resolve() if place.is_symlink() else place).with_suffix(".tflite")
    content = _exported(args)
    if path.exists() and path.read_bytes() != content:
        raise ValueError(
            f"'{path}' is there and is not what '{args.model}' exports to: give another --out, or "
            f"take the file itself for MODEL"
        )
    from tflite_export.atomic import write_bytes

    write_bytes(path, content)
    where = f"to {path}: what follows is about that file" if kept else "first; it is not kept"
    print(f"{args.model} exported {where}", file=sys.stderr)
    args.model = path


def _exported(args: argparse.Namespace) -> bytes:
    from qrobust.certify import SmoothingSpec, attach_spec
    from tflite_export import export

    check_scale("--sigma", getattr(args, "sigma", None))
    model = load_keras(Path(args.model), allow_code=args.allow_code)
    sigma = getattr(args, "sigma", None) or _sigma_of(model, str(args.model))
    tflite: bytes = export(model).tflite
    if not sigma:
        return tflite
    return attach_spec(tflite, SmoothingSpec.for_model(tflite, sigma=sigma))


def _sigma_of(model: Any, name: str) -> float | None:
    """The one sigma that a model was trained with; None where it saw none, or several."""
    from qrobust.layers import GridNoise
    from qrobust.layers.input_noise import input_layer_of

    try:
        noise = input_layer_of(model)
    except ValueError:
        return None
    if not isinstance(noise, GridNoise):
        raise ValueError(
            f"'{name}' was trained on views that are counted, not on noise, and its file has to "
            f"say which: qrobust export {name} OUT.tflite with --splits, --bands, --blocks or "
            f"--ablation"
        )
    low, high = noise.sigma
    return float(high) if low == high else None
