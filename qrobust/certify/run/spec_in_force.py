"""What is certified where file and caller both have a say: they have to agree."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text, whole
from qrobust.certify.file.bundle_file import BundleFile
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.smoothing_spec import SmoothingSpec, check_spec, read_spec
from qrobust.certify.methods.settings import CONFIDENCE_SEQUENCE, EARLY, Settings
from qrobust.certify.run.keys import DERIVED, NONE, KeySource
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

#: The most that `CONFIDENCE_SEQUENCE` draws until a deadline.
DEADLINE_SAMPLES = 1_000_000


def spec_in_force(file: ModelFile, sigma: Exact | None, noise: str | None) -> SmoothingSpec:
    """Return the file's own spec, or the caller's, who must not contradict it.

    Raises:
        CertifyError: no sigma from either, or two that differ.
    """
    spec = read_spec(file.content)
    if isinstance(file, BundleFile) and spec is not None and spec.counting is not None:
        raise CertifyError(
            f"members of this bundle count {spec.noise}; views are counted of single files only: "
            "combine them into one (qrobust ensemble)"
        )
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
        said = f"counts {spec.noise}" if spec.sigma is None else f"says {text(spec.sigma)}"
        raise CertifyError(
            f"sigma={sigma} contradicts the file's smoothing spec, which {said}; "
            "leave sigma out or attach another spec"
        )
    if noise not in (None, spec.noise):
        raise CertifyError(
            f"noise={noise} contradicts the file's smoothing spec, which says {spec.noise}"
        )
    return spec


def keys_in_force(smoothing: GaussianSmoothing | Counting, keys: KeySource) -> KeySource:
    """Return the keys of a certifier: of views that are counted there are none.

    Raises:
        CertifyError: a seed, a nonce or fresh keys for views, or no keys for noise.
    """
    counted = isinstance(smoothing, Counting)
    if keys.level == NONE and not counted:
        raise CertifyError("noise is drawn from a key; a key of level none is for counted views")
    if counted and keys.level not in (NONE, DERIVED):
        raise CertifyError(
            f"the file counts {smoothing.description['noise']}, nothing is drawn: leave out seed, "
            "nonce and key"
        )
    return KeySource(level=NONE) if counted else keys


def settings_in_force(
    smoothing: GaussianSmoothing | Counting | None,
    *,
    method: str | None = None,
    n0: int | None = None,
    n: int | None = None,
    alpha: Exact | None = None,
    radius: Exact | None = None,
    gain: Exact | None = None,
    deadline_ms: int | None = None,
) -> Settings:
    """Return the settings that a file and its caller ask for; None is the default.

    Of noise (and of None) `Settings` knows the defaults; counted views leave only the radius open.
    With a deadline the method is one that may stop at it.

    Raises:
        CertifyError: settings that contradict each other, or that count other views.
    """
    given = {
        "method": method,
        "n0": n0,
        "n": n,
        "alpha": None if alpha is None else str(alpha),
        "radius": None if radius is None else str(radius),
        "gain": None if gain is None else str(gain),
        "deadline_ms": deadline_ms,
    }
    chosen: dict[str, Any] = {}
    if deadline_ms is not None and not isinstance(smoothing, Counting):
        method = method or (CONFIDENCE_SEQUENCE if radius is None else EARLY)
        samples = DEADLINE_SAMPLES if method == CONFIDENCE_SEQUENCE else None
        given |= {"method": method, "n": samples if n is None else n}
    if isinstance(smoothing, Counting):
        chosen = {"method": smoothing.kind, "n0": 0, "n": smoothing.views, "alpha": "0"}
    settings = Settings(**(chosen | {k: v for k, v in given.items() if v is not None}))
    if chosen and (settings.method, settings.n) != (chosen["method"], chosen["n"]):
        raise CertifyError(
            f"the file counts {chosen['method']}, {chosen['n']} of them; method "
            f"{settings.method} with n={settings.n} contradicts that: leave both out"
        )
    return settings


def classes_known(file: ModelFile, spec: SmoothingSpec, classes: int | None) -> bool:
    """Return whether spec or caller tell how many classes there are.

    Raises:
        CertifyError: the caller's number is not the width of the file's output.
    """
    if classes is not None and whole(classes, "classes", 2) != file.classes:
        raise CertifyError(f"classes={classes}, but the file has {file.classes} outputs")
    return classes is not None or spec.classes is not None or spec.labels is not None


def check_label(y: int | None, index: int, classes: int) -> None:
    """Raise `CertifyError` unless ``y`` is one of the classes or None."""
    if y is not None and not 0 <= y < classes:
        raise CertifyError(f"image {index} has y={y}; the model has classes 0 to {classes - 1}")


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
