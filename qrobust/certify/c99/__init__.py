"""The certifier as C99: its sources, and the tables that a model's smoothing spec asks for."""

from qrobust.certify.c99.bundle import bundle_files, write_bundle
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
    write_files,
)

__all__ = [
    "FAMILIES",
    "NOISE",
    "VIEWS",
    "bundle_files",
    "certifier_sources",
    "checksum",
    "radius_nibbles",
    "table_words",
    "view_words",
    "write",
    "write_bundle",
    "write_files",
    "write_project",
]
