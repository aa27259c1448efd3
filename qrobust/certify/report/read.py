"""What a journal holds: its header and its certificates. The one place that reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.report.summary import Summary
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.journal import CLOSED, read_lines
from qrobust.certify.run.plan import planned

_HEADER = 1


def read_certificates(path: str | os.PathLike[str]) -> Iterator[Certificate]:
    """Yield the certificates of a journal in the order of its lines.

    A journal may be finished or not; an unfinished last line, as a kill leaves it, is left out.

    Raises:
        CertifyError: no journal, or one damaged or edited; the message names the line.
    """
    for line in read_lines(path):
        if line.number > _HEADER and CLOSED not in line.value:
            try:
                certificate = Certificate.from_json(line.value)
            except CertifyError as error:
                raise CertifyError(f"{os.fspath(path)}, line {line.number}: {error}") from None
            yield certificate


def read_summary(path: str | os.PathLike[str]) -> Summary:
    """Return the summary of a journal over the images of its plan."""
    header, certificates = read_header(path), list(read_certificates(path))
    if "plan" not in header:  # version 1 had none
        return Summary(certificates)
    return Summary(certificates, sum(map(len, planned(header["plan"]))))


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a journal's first line: what its certificates are about.

    Raises:
        CertifyError: no journal, one damaged, or one without a finished line.
    """
    for line in read_lines(path):
        return line.value
    raise CertifyError(f"{os.fspath(path)} holds no finished line")
