"""A keyword file as a classifier of sound: noise on the samples, in front of the features."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qrobust.audio import CLIP_SAMPLES, mfcc, quantize_features
from qrobust.audio.front_end import front_end_sha256
from qrobust.certify import CertifyError, FloatCertifier
from qrobust.certify.file.feature_step import feature_exponent_of
from qrobust.certify.file.model_file import Model, load_model, runtime
from qrobust.certify.file.runner import Runners
from qrobust.certify.run.image_draws import Input

if TYPE_CHECKING:
    from qrobust.certify.arithmetic.exact_numbers import Exact

FEATURES = (49, 10, 1)
_BATCH = 64
#: log2 of the finest and the coarsest step in which 8 bits hold more of these features than a sign.
_EXPONENTS = range(-6, 7)


class SoundCertifier(FloatCertifier):
    """Certifies what a keyword file says of 8-bit sound, with noise on the samples themselves.

    The smoothed classifier is ``argmax_c P(f(features(sat(x + N))) = c)``: x int8[16000], a clip of
    `qrobust.audio.eight_bits`; N rounded Gaussian noise; features the front end of `qrobust.audio`,
    f the file. The front end is a function of one clip like any other, so that Cohen's theorem
    holds for the whole: the label is the same for every other clip of 8-bit samples within the
    radius, an L2 distance between *samples*, in steps of 2^-7 of full scale.

    The front end is floating point, so it belongs to the claim: the journal's model is the hash of
    the file, of the front end's sources and NumPy version and of the features' step, and its
    runtime names them. What that means for an audit is said under `FloatCertifier`.

    Args:
        model: a ``.tflite`` of 49 x 10 features in int8, or its bytes.
        sigma: of the noise, in steps of 2^-7 of full scale.
        exponent: log2 of the step of the features that the file's integers count; by default what
            `qrobust.audio.feature_exponent` reads off the file.
        trusted: run the file in this process.
        **options: of `FloatCertifier`: ``seed``, ``key``, ``nonce``, ``source``, ``round``.

    Raises:
        CertifyError: no such file; later, samples of another type than int8.
        ValueError: a file that takes other features, or in steps that are no power of two from 2^-6
            to 2^6.

    Source:
        Cohen, Rosenfeld and Kolter, ICML 2019.
    """

    def __init__(
        self,
        model: Model,
        *,
        sigma: "Exact",
        exponent: int | None = None,
        trusted: bool = False,
        **options: Any,
    ) -> None:
        file = load_model(model, trusted=trusted)
        signed = (file.grid.low, file.grid.high) == (-128, 127)
        if file.shape != FEATURES or not signed:
            raise ValueError(
                f"a keyword file takes {FEATURES} features from -128 to 127. Received: "
                f"{file.shape} from {file.grid.low} to {file.grid.high}"
            )
        exponent = _checked(feature_exponent_of(file) if exponent is None else exponent)
        self._runners = Runners(file, count=1, batch=_BATCH)
        front_end = front_end_sha256()
        step = f"features in steps of 2^{exponent}"

        def scores(x: NDArray[np.int16]) -> NDArray[Any]:
            features = quantize_features(mfcc(x), exponent).astype(file.grid.dtype)
            return self._runners.runs[0](features)

        super().__init__(
            scores,
            shape=(CLIP_SAMPLES,),
            classes=file.classes,
            sigma=sigma,
            identity=bytes.fromhex(file.sha256) + bytes.fromhex(front_end) + step.encode(),
            runtime=f"{runtime()}, NumPy {np.__version__}, front end {front_end[:16]}, {step}",
            low=-128,
            unit="sample step (2^-7 of full scale)",
            batch_size=_BATCH,
            **options,
        )

    def prepare(self, x: NDArray[Any], *, index: int = 0) -> Input:
        """Return one clip on the grid; see `Certifier.prepare`.

        Raises:
            CertifyError: samples of another type than int8: a quiet clip of 16 bits fits into 8,
                and a step of it is 256 times smaller.
        """
        kind = np.asarray(x).dtype
        if kind != np.int8:
            raise CertifyError(
                f"image {index}: clips are int8, in steps of 2^-7 of full scale; "
                f"qrobust.audio.eight_bits makes them of int16. Received: {kind}"
            )
        return super().prepare(x, index=index)


def _checked(exponent: Any) -> int:
    """An exponent of steps in which 8 bits hold features, of a file or given."""
    whole = isinstance(exponent, int | np.integer) and not isinstance(exponent, bool)
    if not whole or exponent not in _EXPONENTS:
        raise ValueError(
            f"features have steps of 2^exponent, a whole number from {_EXPONENTS[0]} to "
            f"{_EXPONENTS[-1]}. Received: exponent={exponent!r}"
        )
    return int(exponent)
