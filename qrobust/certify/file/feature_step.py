"""The step of the sound features that a file reads."""

from qrobust.audio import feature_exponent
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.smoothing_spec import read_spec


def feature_exponent_of(file: ModelFile) -> int:
    """What `qrobust.audio.feature_exponent` reads off a file and its smoothing spec.

    Raises:
        ValueError: a scale that is no power of two.
    """
    spec = read_spec(file.content)
    return feature_exponent(file.grid.scale, None if spec is None else spec.unit)
