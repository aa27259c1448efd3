"""Names for the layers that a twin has more than its float model."""

from collections.abc import Iterable


class Names:
    """Hands out names that nothing else in a model has.

    Args:
        taken: names of the float model's layers, which keep them.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._given: set[str] = set()

    def own(self, name: str) -> str:
        """A layer's own name, the first time; a free one for further uses of a shared layer."""
        if name in self._given:
            return self.free(name)
        self._given.add(name)
        return name

    def free(self, name: str) -> str:
        """A name that no layer has yet: this one, or this one with a number behind it."""
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        return free
