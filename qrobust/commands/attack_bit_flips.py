"""What ``qrobust attack --bit-flips`` does: faults in the device's memory instead of inputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

#: Pictures behind those that are judged, on which flips of weights are searched; and the fewest.
SEARCHED, FEWEST = 128, 16
_IMAGES = 200


def run_bit_flips(args: argparse.Namespace) -> int:
    """Flip bits and report what is left; the exit status is 0."""
    from qrobust.certify.file.bundle import refuse_bundle
    from qrobust.certify.file.model_file import read_model
    from qrobust.commands.inputs import labels_of, load_for
    from qrobust.load_keras import is_keras
    from tflite_export.atomic import write_text

    if is_keras(args.model):
        raise ValueError(
            f"--bit-flips goes with a .tflite, what a device holds. Received: {args.model}"
        )
    _refuse_others(args)
    if args.bit_flips < 1:
        raise ValueError(f"--bit-flips is at least 1. Received: {args.bit_flips}")
    paths = args.out, args.out.with_suffix(".md")
    if args.out.suffix != ".json":
        raise ValueError(f"--out ends in .json. Received: {args.out}")
    if not args.out.parent.is_dir():
        raise ValueError(f"'{args.out.parent}' is no folder for --out. Make it first.")
    images = _IMAGES if args.images is None else args.images
    if images < 1:
        raise ValueError(f"--images is at least 1. Received: {images}")
    content = read_model(args.model)
    refuse_bundle(content)
    rows = images + SEARCHED
    data = load_for(args.data, args.model, args.fit, allow_code=args.allow_code, rows=rows)
    truth = labels_of(data, args, "Faults need the true ones.")
    if len(data.x) < images + FEWEST:
        raise ValueError(
            f"'{args.data}' has {len(data.x)} images: {images} are judged, and flips of weights "
            f"are searched on at least {FEWEST} others. Give fewer --images."
        )
    found = _evaluated(args, content, data.x, truth, images)
    write_text(paths[0], found.json())
    write_text(paths[1], found.markdown())
    print(found.markdown())
    print(f"written: {', '.join(map(str, paths))}")
    return 0


def _refuse_others(args: argparse.Namespace) -> None:
    """Options of attacks on inputs."""
    given = {
        "--certificates": args.certificates,
        "--surrogate": args.surrogate,
        "--smooth": args.smooth,
        "--epsilon": args.epsilon,
        "--norm": None if args.norm == "linf" else args.norm,
        "--full": args.full or None,
        "--mask": args.mask,
        "--box": args.box,
        "--reach": args.reach,
    }
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise ValueError(f"--bit-flips changes no inputs: leave out {', '.join(wrong)}.")


def _evaluated(args: argparse.Namespace, content: bytes, x: Any, y: Any, images: int) -> Any:
    from tqdm import tqdm

    from qrobust.quiet import quiet_imports

    with quiet_imports():
        from qrobust.attacks.faults.evaluate_faults import evaluate_faults
        from qrobust.attacks.faults.stored_weights import FILE
    from qrobust.certify.file.smoothing_spec import read_spec

    spec = read_spec(content)
    if spec is not None and spec.counting is not None:
        raise ValueError(
            f"'{args.model}' counts {spec.noise}: it classifies no picture by itself, so that "
            f"flips have nothing to be judged by."
        )
    with tqdm(unit=" rows") as bar:

        def told(row: Any) -> None:
            bar.set_postfix_str(f"{row.where}, {row.how}, {row.flips}: {row.accuracy:.1%}")
            bar.update()

        return evaluate_faults(
            content,
            x[:images],
            y[:images],
            (x[images:], y[images : len(x)]),
            args.bit_flips,
            storage=args.storage or FILE,
            name=Path(args.model).name,
            seed=args.seed,
            trusted=args.trusted,
            told=told,
        )
