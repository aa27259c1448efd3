"""What generated C takes of a device, read from the headers that say so."""

import re
from pathlib import Path


def table_bytes(folder: Path) -> int:
    """What the certifier's tables take of a device's flash."""
    (words,) = _defined(folder / "certifier_tables.h", r"CERTIFIER_TABLES_WORDS")
    return 4 * words


def arena_sizes(folder: Path) -> str:
    """What a bundle's members take of a device's RAM, in words."""
    (shared,) = _defined(folder / "members.h", r"MEMBERS_ARENA_BYTES")
    own = _defined(folder / "members.h", r"MEMBER\d+_ARENA_BYTES")
    return f"arena: {shared} bytes, shared by members of {', '.join(map(str, own))}"


def _defined(header: Path, name: str) -> list[int]:
    """Values of the macros of a name, in their order."""
    return [int(value) for value in re.findall(rf"#define {name} (\d+)u", header.read_text())]
