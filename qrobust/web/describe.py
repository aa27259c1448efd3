"""``model.json``: what the page knows of its network, its tables and its certificates."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from qrobust.certify import Certifier
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text, text_above
from qrobust.certify.arithmetic.streams import LAYOUT_VERSION
from qrobust.certify.c99 import table_words
from qrobust.certify.methods.settings import Settings
from qrobust.certify.methods.tables import radius_table
from qrobust.certify.run.data import Data
from qrobust.certify.smoothings.counting import Counting
from tflite_export.printable import printable

#: What a page's certificate says of what ran it.
RUNTIME, KERNELS = "qrobust.web, WebAssembly", "c99"
#: LiteRT kernels that an audit runs it again with; a file of the integer contract takes any.
_AUDIT_KERNELS = "xnnpack"


def run_of(certifier: Certifier, *, pilot: int, samples: int, alpha: Exact) -> dict[str, Any]:
    """Return what the page needs for one number of samples.

    Args:
        certifier: of the file.
        pilot: samples that choose the class.
        samples: samples that bound its probability.
        alpha: error probability.

    Returns:
        The tables (little-endian words in base64), and plan and certificate but for what only a
        run knows.

    Raises:
        CertifyError: samples that could never certify, or a file that the C certifier refuses.
    """
    file, smoothing = certifier.file, certifier.smoothing
    if isinstance(smoothing, Counting):
        raise CertifyError(
            f"the page draws noise; this file counts {certifier.spec.noise}. Export with --sigma"
        )
    settings = Settings(n0=pilot, n=samples, alpha=text(rational(alpha, "alpha")))
    certifier.method(settings)
    table = radius_table(samples, rational(alpha, "alpha"), smoothing)
    words = table_words(
        certifier.spec, coordinates=file.coordinates, classes=file.classes, table=table
    )
    return {
        "samples": samples,
        "pilot": pilot,
        "alpha": settings.alpha,
        "words": len(words),
        "tables": base64.b64encode(struct.pack(f"<{len(words)}I", *words)).decode(),
        "audit_kernels": _AUDIT_KERNELS,
        "plan": certifier.plan(settings, "", []),
        "certificate": {
            "norm": smoothing.norm,
            "n0": pilot,
            "n": samples,
            "settings": settings.to_json(),
            "sampler_error": text_above(samples * smoothing.variation),
            **smoothing.description,
            "span": file.grid.span,
            "coordinates": file.coordinates,
            "streams": LAYOUT_VERSION,
            "quantized_input": False,
            "model_sha256": file.sha256,
            "runtime": RUNTIME,
            "kernels": KERNELS,
            "portable": True,
            "unit": certifier.spec.unit,
        },
    }


def describe(
    certifier: Certifier,
    *,
    name: str,
    runs: Sequence[dict[str, Any]],
    labels: Sequence[str] | None,
    samples: Data | None,
) -> dict[str, Any]:
    """Return the content of ``model.json``.

    Args:
        certifier: of the file.
        name: of the network, as the page says it.
        runs: of `run_of`.
        labels: names of the classes; the file's own by default.
        samples: inputs that come with the page.

    Raises:
        CertifyError: a network that takes no pictures, or another number of labels.
    """
    file = certifier.file
    shape, grid = file.shape, file.grid
    if len(shape) != 3 or shape[2] not in (1, 3) or (grid.low, grid.high) != (0, 255):
        raise CertifyError(
            f"the page takes pictures: (height, width, 1 or 3) integers from 0 to 255; this file "
            f"takes {shape} from {grid.low} to {grid.high}"
        )
    if file.not_portable:
        raise CertifyError(
            "the file does not meet the integer contract, so C and LiteRT may differ: "
            f"{file.not_portable}"
        )
    named = labels or certifier.spec.labels
    if named is not None and len(named) != file.classes:
        raise CertifyError(f"{len(named)} labels were given, the file has {file.classes} classes")
    return {
        "name": printable(name),
        "input": {
            "height": shape[0],
            "width": shape[1],
            "channels": shape[2],
            "zero_point": grid.zero_point,
        },
        "classes": file.classes,
        "labels": None if named is None else [printable(word) for word in named],
        "sigma": None if certifier.spec.sigma is None else text(certifier.spec.sigma),
        "unit": certifier.spec.unit,
        "runs": list(runs),
        "samples": None
        if samples is None
        else {"labels": [samples.label(index) for index in range(len(samples))]},
    }
