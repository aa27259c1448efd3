"""The certificates of a journal."""

from __future__ import annotations

import os
from collections.abc import Iterator

from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.journal import CLOSED, read_lines


def read_certificates(path: str | os.PathLike[str]) -> Iterator[Certificate]:
    """Yield the certificates of a journal; `CertifyError` where it is damaged.

    Args:
        path: the journal, finished or not.
    """
    for line in read_lines(path):
        if line.number > 1 and CLOSED not in line.value:
            yield Certificate.from_json(line.value)
