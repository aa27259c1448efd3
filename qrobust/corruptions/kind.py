"""One kind of corruption: five strengths, and what it does to one input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: (one input, a strength's numbers, its generator) -> real values, rounded by whoever asked.
Change: TypeAlias = Callable[[NDArray[np.float64], Any, np.random.Generator], NDArray[np.float64]]


@dataclass(frozen=True)
class Kind:
    """A corruption.

    Attributes:
        name: in commands and tables.
        number: in seeds; never reused.
        strengths: five, rising in harm; the change's own numbers.
        unit: what those are, in words.
        change: to one input of float64.
        needs: a package beyond NumPy, or "".
    """

    name: str
    number: int
    strengths: tuple[Any, Any, Any, Any, Any]
    unit: str
    change: Change
    needs: str = ""
