"""What a network expects of its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle_file import open_model
from qrobust.certify.file.model_file import Model
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.certify.smoothings.counting import BANDS, BLOCKS

SQUARE, STRETCH, EXACT = "crop", "stretch", "exact"
#: How a picture of another size is brought to the network's.
FITS = (SQUARE, STRETCH, EXACT)


@dataclass(frozen=True)
class Expected:
    """One input of a network, and the names of its classes.

    Attributes:
        shape: without the batch.
        low: least integer of the grid.
        high: greatest.
        labels: names of the classes, where they are known.
        fit: what to do with pictures of another size, one of `FITS`.
        samples: whether sounds are taken as they are, not as the features of a network.
        scale: of the input, which says the step of features, see `qrobust.audio.feature_exponent`.
        unit: of the smoothing spec, which says it where the scale is 1.
    """

    shape: tuple[int, ...]
    low: int = 0
    high: int = 255
    labels: tuple[str, ...] | None = None
    fit: str = SQUARE
    samples: bool = False
    scale: float = field(default=1.0, compare=False)
    unit: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise CertifyError(f"fit is one of {', '.join(FITS)}, received {self.fit!r}")

    def class_of(self, name: str, known: tuple[str, ...]) -> int:
        """The number of a class that the data call by a name.

        Where the network names its classes, its names decide; numbers are class numbers; else the
        order of the names does.

        Args:
            name: of a folder, or in a table.
            known: all names of the data, sorted.

        Raises:
            CertifyError: a name that is none of the network's.
        """
        if self.labels is not None and name in self.labels:
            return self.labels.index(name)
        if all(other.isdecimal() for other in known):
            return int(name)
        if self.labels is not None:
            raise CertifyError(
                f"the data have a class '{name}', the network has {', '.join(self.labels)}; give "
                "them the network's names, or class numbers"
            )
        return known.index(name)


def expected_by(model: Model, fit: str = SQUARE) -> Expected:
    """What a ``.tflite`` file expects; of bands and blocks the pictures that they are made of.

    Args:
        model: path or bytes of the file.
        fit: for pictures of another size.

    Raises:
        CertifyError: the file cannot be read or is no classifier.
    """
    found = open_model(model)
    spec = read_spec(found.content)
    shape = found.shape
    if spec is not None and spec.noise in (BANDS, BLOCKS):
        shape = (*shape[:-1], shape[-1] // 2)
    return Expected(
        shape,
        found.grid.low,
        found.grid.high,
        labels=None if spec is None else spec.labels,
        fit=fit,
        scale=found.grid.scale,
        unit=None if spec is None else spec.unit,
    )
