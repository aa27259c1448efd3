"""What is going to be certified, fixed and hashed before the first draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import LAYOUT_VERSION
from qrobust.certify.methods.settings import Settings

#: Images of a plan: more than any data set has, and few enough for exact statements.
MOST_IMAGES = 1 << 24

#: What every plan holds, and nothing else but `COUNTING` (of counted views) and `DEADLINE`.
FIELDS = (
    "model_sha256",
    "data_sha256",
    "classes",
    "coordinates",
    "span",
    "noise",
    "sigma",
    "method",
    "n0",
    "n",
    "alpha",
    "radius",
    "gain",
    "portable",
    "kernels",
    "runtime",
    "streams",
    "indices",
)
COUNTING = "counting"
#: In plans whose certificates a clock may end.
DEADLINE = "deadline_ms"

#: Kernels of a plan about no file: what was called, and by whom, is on trust.
CALLABLE = "callable"
#: What that leaves to trust, in a sentence.
ON_TRUST = (
    "The classifier is a callable and no integer file: that model_sha256 names it, that it is a "
    "function of one input, and that its scores come out again elsewhere, is on trust."
)


def make_plan(
    *,
    model_sha256: str,
    data_sha256: str,
    classes: int,
    coordinates: int,
    span: int,
    description: dict[str, Any],
    settings: Settings,
    kernels: str | None,
    runtime: str | None,
    indices: Iterable[int],
) -> dict[str, Any]:
    """Return a plan as a JSON object.

    Args:
        model_sha256: of the file.
        data_sha256: of the data set, or of the one input of a live query.
        classes: outputs of the model.
        coordinates: numbers in one input.
        span: width of the input grid in LSB.
        description: of the smoothing: noise and sigma.
        settings: method, samples, alpha.
        kernels: LiteRT kernel family where votes depend on it; None for a file that gives the
            same integers on every kernel.
        runtime: name and version of the interpreter, likewise.
        indices: the images that will be attempted.
    """
    return {
        "model_sha256": model_sha256,
        "data_sha256": data_sha256,
        "classes": classes,
        "coordinates": coordinates,
        "span": span,
        **description,
        **settings.to_json(),
        "portable": kernels is None,
        "kernels": kernels,
        "runtime": runtime,
        "streams": LAYOUT_VERSION,
        "indices": ranges(indices),
    }


def ranges(indices: Iterable[int]) -> list[list[int]]:
    """Return a set of indices as rising half-open ranges ``[start, stop]``."""
    found: list[list[int]] = []
    for index in sorted(set(indices)):
        if found and found[-1][1] == index:
            found[-1][1] = index + 1
        else:
            found.append([index, index + 1])
    return found


def planned(plan: dict[str, Any]) -> list[range]:
    """Return the planned indices; `CertifyError` where they are no rising ranges."""
    item = plan.get("indices")
    last, found = -1, []
    if isinstance(item, list) and item:
        for pair in item:
            if not (isinstance(pair, list) and len(pair) == 2):
                break
            start, stop = pair
            if (
                type(start) is not int
                or type(stop) is not int
                or not last < start < stop <= MOST_IMAGES
            ):
                break
            found.append(range(start, stop))
            last = stop
        else:
            return found
    raise CertifyError(
        f"the plan's indices are no rising list of ranges [start, stop] within {MOST_IMAGES}"
    )
