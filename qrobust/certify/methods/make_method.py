"""From settings to the method that carries them out."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.radius import RADIUS_BITS, charged_level, check_samples
from qrobust.certify.methods.anytime import Anytime, ladder
from qrobust.certify.methods.clopper_pearson import ClopperPearson, TwoClass
from qrobust.certify.methods.confidence_sequence import ConfidenceSequence, check_sequence
from qrobust.certify.methods.counting import CountViews
from qrobust.certify.methods.outcome import Method
from qrobust.certify.methods.sequential import (
    HASTY,
    PATIENT,
    Sequential,
    early_pilot,
    hopeless_votes,
    sequential_test,
)
from qrobust.certify.methods.settings import (
    ANYTIME,
    CLOPPER_PEARSON,
    CONFIDENCE_SEQUENCE,
    COUNTING,
    EARLY,
    RANDOMIZED,
    SEQUENTIAL,
    TWO_CLASS,
    Settings,
)
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.smoothing import Smoothing


def make_method(settings: Settings, smoothing: Smoothing, classes: int) -> Method:
    """Return the method of some settings; `CertifyError` where it could never certify."""
    return _make(settings, smoothing, classes)


@lru_cache(maxsize=16)
def _make(settings: Settings, smoothing: Smoothing, classes: int) -> Method:
    if isinstance(smoothing, Counting):
        if settings.method != smoothing.kind or settings.n != smoothing.views:
            raise CertifyError(
                f"the file counts {smoothing.views} {smoothing.kind}; method {settings.method} "
                f"with n={settings.n} does not"
            )
        return CountViews(smoothing, None if settings.radius is None else int(settings.radius))
    if settings.method in COUNTING:
        raise CertifyError(f"method {settings.method}, but the file's spec has no such views")
    alpha = rational(settings.alpha, "alpha")
    n0, n = settings.n0, settings.n

    def level(samples: int) -> Fraction:
        return charged_level(alpha, samples, smoothing.variation)

    def fixed(randomized: bool) -> Method:
        check_samples(n, level(n))
        return ClopperPearson(smoothing, n0, n, level(n), randomized)

    def two_class() -> Method:
        check_samples(n, level(n) / 2)
        return TwoClass(smoothing, n0, n, level(n), classes)

    def sequential(early: bool) -> Method:
        radius = rational(settings.radius or "", "the radius")
        patience = HASTY if early else PATIENT
        test = sequential_test(smoothing.probability(radius), level(n), n, patience)
        q16 = int(radius * (1 << RADIUS_BITS))
        if not early:
            return Sequential(test, n0, q16)
        pilot = early_pilot(n0)
        return Sequential(test, pilot, q16, hopeless_votes(pilot, test.p1))

    def anytime() -> Method:
        check_samples(n, level(n))
        sizes = ladder(min(n0, n), n)
        gain = rational(settings.gain or "", "the gain")
        return Anytime(smoothing, n0, sizes, tuple(level(size) for size in sizes), gain)

    def confidence() -> Method:
        check_sequence(n, level(n))
        return ConfidenceSequence(smoothing, early_pilot(n0), n, level(n))

    makers: dict[str, Callable[[], Method]] = {
        CLOPPER_PEARSON: lambda: fixed(False),
        RANDOMIZED: lambda: fixed(True),
        TWO_CLASS: two_class,
        SEQUENTIAL: lambda: sequential(False),
        EARLY: lambda: sequential(True),
        ANYTIME: anytime,
        CONFIDENCE_SEQUENCE: confidence,
    }
    return makers[settings.method]()
