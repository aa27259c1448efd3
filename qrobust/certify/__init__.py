"""Certify integer ``.tflite`` classifiers by randomized smoothing, on the device, in integers.

Needs NumPy and LiteRT only. Nothing here trains or exports, and nothing loads TensorFlow.
Public names load when first used: a command that is interrupted while it loads says so in a line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qrobust.certify.arithmetic.errors import CertifyError
    from qrobust.certify.arithmetic.radius import ABSTAIN
    from qrobust.certify.file.smoothing_spec import SmoothingSpec, attach_spec, read_spec
    from qrobust.certify.methods.settings import METHODS, Settings
    from qrobust.certify.methods.tables import (
        RadiusTable,
        SequentialTable,
        radius_table,
        sequential_table,
    )
    from qrobust.certify.report.write_report import write_report
    from qrobust.certify.run.audit import Finding, audit
    from qrobust.certify.run.batch import Job, certify_dataset
    from qrobust.certify.run.certificate import Certificate
    from qrobust.certify.run.certifier import Certifier
    from qrobust.certify.run.data import Data, load_data, make_data
    from qrobust.certify.run.journal import read_lines

_HOMES = {
    "ABSTAIN": "arithmetic.radius",
    "attach_spec": "file.smoothing_spec",
    "audit": "run.audit",
    "Certificate": "run.certificate",
    "Certifier": "run.certifier",
    "certify_dataset": "run.batch",
    "CertifyError": "arithmetic.errors",
    "Data": "run.data",
    "Finding": "run.audit",
    "Job": "run.batch",
    "load_data": "run.data",
    "make_data": "run.data",
    "METHODS": "methods.settings",
    "radius_table": "methods.tables",
    "RadiusTable": "methods.tables",
    "read_lines": "run.journal",
    "read_spec": "file.smoothing_spec",
    "sequential_table": "methods.tables",
    "SequentialTable": "methods.tables",
    "Settings": "methods.settings",
    "SmoothingSpec": "file.smoothing_spec",
    "write_report": "report.write_report",
}
__all__ = [
    "ABSTAIN",
    "METHODS",
    "Certificate",
    "Certifier",
    "CertifyError",
    "Data",
    "Finding",
    "Job",
    "RadiusTable",
    "SequentialTable",
    "Settings",
    "SmoothingSpec",
    "attach_spec",
    "audit",
    "certify_dataset",
    "load_data",
    "make_data",
    "radius_table",
    "read_lines",
    "read_spec",
    "sequential_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
