"""Patches: counted bands of a file beside ART's derandomized smoothing on the float twin.

    python benchmarks/patches_art.py [--model models/digits_bands] [--images 500]
        [--record patches_art] [--tiny]

Needs adversarial-robustness-toolbox and TensorFlow. The same images of scikit-learn's digits, bands
of the same width, patches of the same sides: `DerandomizedSmoothingMixin` of ART on the float twin
(FOLDER/float/model.keras, the same recipe without quantization), and the file's own certificates
(FOLDER/certificates.jsonl). ART votes for every class whose probability reaches a threshold (.3, as
Levine and Feizi 2020), the file for its largest logit. Then ART's own rule judges the file's votes:
where it says else than `qrobust`, the program ends with status 1. Milliseconds are CPU time of one
process and thread, all bands of an image, one image at a time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# One thread, for times: what TensorFlow reads when it is loaded.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import numpy as np
import results
import tensorflow as tf
from art.estimators.certification.derandomized_smoothing import TensorFlowV2DeRandomizedSmoothing
from counting import Journal, timed, touched_of
from grid.paired import paired_points
from render import table
from results import PROJECT, share

from qrobust import datasets
from qrobust.certify.smoothings.bands import stands

SIDES = (1, 2)
THRESHOLD = 0.3
TOP = 255.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=PROJECT / "models" / "digits_bands")
    parser.add_argument("--images", type=int, default=500)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images = 5
    journal = Journal(args.model.resolve())
    lines = journal.lines[: args.images]
    y = np.array([line.y for line in lines])
    x = datasets.digits().test.x[: len(lines)]
    view = lines[0].counting
    votes = np.array([line.votes for line in lines])
    twin = keras.models.load_model(journal.folder / "float" / "model.keras")
    smoothed = derandomized(twin, x.shape[1:], votes.shape[1], view["size"])
    theirs = smoothed.predict(x / TOP)

    rows, wrong = [], []
    kept: dict[str, list] = {}
    for side in SIDES:
        ours = np.array([stands(v, touched_of("bands", side, view)) for v in votes])
        ours_right = ours & (votes.argmax(1) == y)
        judged, _, _ = smoothed.ablator.certify(tf.constant(votes), side, y)
        if (judged.numpy() != ours).any():
            wrong.append(f"{side} x {side}: ART's rule and qrobust's differ on the same votes")
        _, theirs_right, _ = smoothed.ablator.certify(tf.constant(theirs), side, y)
        kept[f"{side} x {side}"] = [ours_right, theirs_right.numpy()]
    kept = {"clean": [votes.argmax(1) == y, theirs.argmax(1) == y], **kept}
    for place, name in enumerate(("this file, integers", "ART on the float twin")):
        row = {"": name, "inferences": view["width"]}
        rows.append(
            row | {key: share(int(pair[place].sum()), len(y)) for key, pair in kept.items()}
        )
    rows.append(
        {"": "points, paired", "inferences": None}
        | {key: paired_points(*pair) for key, pair in kept.items()}
    )
    ms = [
        timed(journal, args)["CPU ms a certificate"],
        timed_art(smoothed, x[: 2 if args.tiny else 20]),
    ]
    speeds = [
        {"": row[""], "CPU ms a certificate": value} for row, value in zip(rows, ms, strict=False)
    ]
    print(f"{table(rows)}\n\n{table(speeds)}")
    models = [journal.folder / name for name in ("model.tflite", "float/model.keras")]
    results.record(args.record, counts=rows, speeds=speeds, models=models)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


def derandomized(
    twin: keras.Model, shape: tuple[int, ...], classes: int, band: int
) -> TensorFlowV2DeRandomizedSmoothing:
    """ART's smoothed classifier around the float twin, which takes pixels of 0 to 255."""
    return TensorFlowV2DeRandomizedSmoothing(
        model=tf.function(lambda images, training=False: twin(TOP * images, training=False)),
        nb_classes=classes,
        ablation_type="column",
        ablation_size=band,
        threshold=THRESHOLD,
        logits=True,
        input_shape=shape,
        channels_first=False,
        clip_values=(0.0, 1.0),
    )


def timed_art(smoothed: TensorFlowV2DeRandomizedSmoothing, x: np.ndarray) -> float:
    """CPU milliseconds of all bands of one image."""
    smoothed.predict(x[:1] / TOP)
    began = time.process_time()
    for image in x:
        smoothed.predict(image[None] / TOP)
    return round(1000 * (time.process_time() - began) / len(x), 2)


if __name__ == "__main__":
    sys.exit(main())
