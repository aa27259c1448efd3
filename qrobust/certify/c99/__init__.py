"""The certifier as C99: its sources, and the tables that a model's smoothing spec asks for."""

from qrobust.certify.c99.project import write_project
from qrobust.certify.c99.tables import (
    FAMILIES,
    NOISE,
    VIEWS,
    certifier_sources,
    checksum,
    radius_nibbles,
    table_words,
    view_words,
    write,
)

__all__ = [
    "FAMILIES",
    "NOISE",
    "VIEWS",
    "certifier_sources",
    "checksum",
    "radius_nibbles",
    "table_words",
    "view_words",
    "write",
    "write_project",
]
