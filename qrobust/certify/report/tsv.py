"""Certificates as the tab-separated table that Cohen et al.'s tools read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.certificate import Certificate
from tflite_export.atomic import write_text

COLUMNS = ("idx", "label", "predict", "radius", "correct", "time")


def tsv(certificates: Iterable[Certificate]) -> str:
    """Return lines ``idx label predict radius correct time``.

    Radii are on the [0, 1] scale for L2 and L1 (Cohen's unit, rounded down), in pixels for patches;
    an abstention predicts -1; an unknown true class is -1 and never correct.

    References:
        locuslab/smoothing, ``certify.py``.
    """
    lines = ["\t".join(COLUMNS)]
    for c in certificates:
        radius = c.radius if c.radius_unit is None else c.radius_unit
        label = -1 if c.y is None else c.y
        time = timedelta(seconds=c.seconds)
        correct = int(bool(c.correct))
        lines.append(f"{c.index}\t{label}\t{c.label}\t{radius:.9g}\t{correct}\t{time}")
    return "\n".join(lines) + "\n"


def write_tsv(certificates: Iterable[Certificate], path: str | os.PathLike[str]) -> None:
    """Write :func:`tsv` to a file; raise `CertifyError` where that fails."""
    try:
        write_text(path, tsv(certificates))
    except OSError as error:
        raise CertifyError(f"cannot write {os.fspath(path)}: {error.strerror}") from None
