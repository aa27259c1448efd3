"""How much accuracy corruptions leave."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from qrobust.certify.report.summary import share_interval
from qrobust.corruptions.corrupt import KINDS, STRENGTHS, corrupt


@dataclass(frozen=True)
class Corrupted:
    """Right answers under one corruption at one strength.

    Attributes:
        kind: its name.
        strength: 1 to 5.
        right: right answers.
        of: all inputs.
    """

    kind: str
    strength: int
    right: int
    of: int

    @property
    def accuracy(self) -> float:
        """The share, in [0, 1]."""
        return self.right / self.of

    def to_json(self) -> dict[str, Any]:
        """One JSON object, with the corruption's own number and the exact 95 % interval."""
        low, high = share_interval(self.right, self.of)
        kind = KINDS[self.kind]
        return {
            "kind": self.kind,
            "strength": self.strength,
            "value": kind.strengths[self.strength - 1],
            "unit": kind.unit,
            "right": self.right,
            "of": self.of,
            "accuracy": self.accuracy,
            "interval": [low, high],
        }


def corrupted_accuracy(
    labels: Callable[[NDArray[Any]], NDArray[Any]],
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    kinds: Sequence[str],
    seed: int = 0,
) -> Iterator[Corrupted]:
    """Yield the right answers under every kind, at every strength, as they are counted.

    Args:
        labels: from corrupted inputs to the classes that the model gives, int[n].
        x: inputs as `corrupt` takes them.
        y: int[n], true classes.
        kinds: names of `KINDS`.
        seed: of what is random.

    Raises:
        ValueError: see `corrupt`; no kinds, or one twice.
    """
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds are one or more, each once. Received: {list(kinds)}")
    for kind in kinds:
        for strength in STRENGTHS:
            given = labels(corrupt(x, kind, strength, seed=seed))
            yield Corrupted(kind, strength, int((given == y).sum()), len(y))
