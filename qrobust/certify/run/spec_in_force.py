"""What is certified where file and caller both have a say: they have to agree."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text, whole
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.smoothing_spec import SmoothingSpec, check_spec, read_spec


def spec_in_force(file: ModelFile, sigma: Exact | None, noise: str | None) -> SmoothingSpec:
    """Return the file's own spec, or the caller's, who must not contradict it.

    Raises:
        CertifyError: no sigma from either, or two that differ.
    """
    spec = read_spec(file.content)
    given = None if sigma is None else rational(sigma, "sigma")
    if given is not None and given <= 0:
        raise CertifyError(f"sigma must be positive (in input LSB), received {sigma}")
    if spec is None:
        if given is None:
            raise CertifyError(
                "the file has no smoothing spec; give sigma in input LSB or attach a spec"
            )
        return (
            SmoothingSpec(given, file.grid)
            if noise is None
            else SmoothingSpec(given, file.grid, noise)
        )
    check_spec(spec, file)
    if given not in (None, spec.sigma):
        raise CertifyError(
            f"sigma={sigma} contradicts the file's smoothing spec, which says {text(spec.sigma)}; "
            "leave sigma out or attach another spec"
        )
    if noise not in (None, spec.noise):
        raise CertifyError(
            f"noise={noise} contradicts the file's smoothing spec, which says {spec.noise}"
        )
    return spec


def classes_known(file: ModelFile, spec: SmoothingSpec, classes: int | None) -> bool:
    """Return whether spec or caller tell how many classes there are.

    Raises:
        CertifyError: the caller's number is not the width of the file's output.
    """
    if classes is not None and whole(classes, "classes", 2) != file.classes:
        raise CertifyError(f"classes={classes}, but the file has {file.classes} outputs")
    return classes is not None or spec.classes is not None or spec.labels is not None


def check_labels_fit(width: int, labels: NDArray[Any] | None) -> None:
    """Raise `CertifyError` unless labels tell that ``width`` outputs are as many classes.

    Not every file with outputs in a row is a classifier. Labels fit where the largest of them lies
    in the upper half of the outputs.

    Args:
        width: outputs of the file.
        labels: int[images], or None.
    """
    if labels is None or not len(labels) or not width // 2 <= int(labels.max()) < width:
        raise CertifyError(
            f"neither the file nor the data's labels tell that its {width} outputs are classes; "
            f"if they are, say --classes {width} (classes={width})"
        )
