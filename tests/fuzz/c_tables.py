"""Sound tables of the device's certifier, to be damaged."""

from collections.abc import Sequence
from fractions import Fraction

from qrobust.certify import RadiusTable, SequentialTable, SmoothingSpec, c99
from qrobust.certify.methods.sequential import Checkpoint, SequentialTest
from qrobust.certify.smoothings.input_grid import InputGrid

# Steep at the end, as real tables are.
RADII = RadiusTable(
    90, Fraction(1, 1000), 20, tuple(int(1e5 * v + 3e7 / (91 - v)) for v in range(20, 91))
)
_STOPS = (Checkpoint(16, 17, 2), Checkpoint(40, 39, 20), Checkpoint(64, 60, 59))
_TEST = SequentialTable(
    Fraction(32), Fraction(1, 1000), SequentialTest(1 << 47, Fraction(1, 1000), _STOPS)
)


def sound_tables(
    sizes: Sequence[tuple[str, int]] = (("64", 64), ("0.25", 5), ("300", 300)),
    test: SequentialTable | None = None,
) -> list[list[int]]:
    """Words of tables of some sigmas and sizes, with a sequential test or without."""
    grid = InputGrid("int8", 1.0, -128)
    return [
        c99.table_words(
            SmoothingSpec(Fraction(sigma), grid),
            coordinates=coordinates,
            classes=10,
            table=RADII,
            test=test,
        )
        for sigma, coordinates in sizes
    ]


def all_tables() -> list[list[int]]:
    """The same with and without a sequential test, and one whose reserve is used up at times."""
    return [*sound_tables(), *sound_tables(test=_TEST), *sound_tables([("64", 255)], _TEST)]
