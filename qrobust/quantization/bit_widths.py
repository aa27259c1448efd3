"""Bits by layer name: one number for all, or patterns."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

Bits = int | str
BitsByName = Bits | Mapping[str, Bits]


class BitWidths:
    """Says how many bits a layer gets, and notices patterns that no layer matches.

    Args:
        bits: for every layer; or pattern -> bits. A pattern is a layer's name or a shell pattern
            such as ``stage1_*``; the first that matches a name counts.
        what: the argument's name, for error messages.
    """

    def __init__(self, bits: BitsByName, what: str) -> None:
        self._bits = bits
        self._what = what
        self._names: list[str] = []

    def of(self, name: str) -> Bits | None:
        """The bits of a layer, or None where no pattern matches it."""
        self._names.append(name)
        if not isinstance(self._bits, Mapping):
            return self._bits
        matches = (bits for pattern, bits in self._bits.items() if fnmatchcase(name, pattern))
        return next(matches, None)

    def needed(self, name: str) -> Bits:
        """The bits of a layer.

        Raises:
            ValueError: no pattern matches it.
        """
        bits = self.of(name)
        if bits is None:
            raise ValueError(
                f"Layer '{name}' matches no pattern of {self._what}. Add '*' as the last pattern "
                f"for all others. Received: {self._what}={self._bits!r}"
            )
        return bits

    def check(self) -> None:
        """See that every pattern matched a layer that was asked for.

        Raises:
            ValueError: one did not.
        """
        patterns = self._bits if isinstance(self._bits, Mapping) else ()
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self._names):
                known = ", ".join(dict.fromkeys(self._names)) or "none"
                raise ValueError(
                    f"{self._what}: '{pattern}' matches no layer. Layers that take such bits: "
                    f"{known}."
                )
