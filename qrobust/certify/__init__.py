"""Certify integer ``.tflite`` classifiers by randomized smoothing, on the device, in integers.

Needs NumPy and LiteRT only. Nothing here trains or exports, and nothing loads TensorFlow.
Public names load when first used: a command that is interrupted while it loads says so in a line.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without its import: see qrobust
if TYPE_CHECKING:
    from typing import Any

    from qrobust.certify.arithmetic.errors import CertifyError
    from qrobust.certify.arithmetic.radius import ABSTAIN
    from qrobust.certify.auditing.audit import AuditSettings, audit, run_audit
    from qrobust.certify.auditing.offline import Finding, check_offline
    from qrobust.certify.auditing.verdict import Verdict, Witness
    from qrobust.certify.file.smoothing_spec import SmoothingSpec, attach_spec, read_spec
    from qrobust.certify.methods.settings import METHODS, Settings
    from qrobust.certify.methods.tables import (
        RadiusTable,
        SequentialTable,
        radius_table,
        sequential_table,
    )
    from qrobust.certify.report.read import read_certificates, read_header, read_summary
    from qrobust.certify.report.write_report import write_report
    from qrobust.certify.run.batch import Job, certify_dataset, plan_of
    from qrobust.certify.run.certificate import Certificate
    from qrobust.certify.run.certifier import Certifier
    from qrobust.certify.run.data import Data, load_data, make_data
    from qrobust.certify.run.float_certifier import FloatCertifier
    from qrobust.certify.run.journal import read_lines
    from qrobust.certify.run.keys import KeySource, plan_hash

_HOMES = {
    "ABSTAIN": "arithmetic.radius",
    "attach_spec": "file.smoothing_spec",
    "audit": "auditing.audit",
    "AuditSettings": "auditing.audit",
    "Certificate": "run.certificate",
    "Certifier": "run.certifier",
    "certify_dataset": "run.batch",
    "CertifyError": "arithmetic.errors",
    "check_offline": "auditing.offline",
    "Data": "run.data",
    "Finding": "auditing.offline",
    "FloatCertifier": "run.float_certifier",
    "Job": "run.batch",
    "KeySource": "run.keys",
    "load_data": "run.data",
    "make_data": "run.data",
    "METHODS": "methods.settings",
    "plan_hash": "run.keys",
    "plan_of": "run.batch",
    "radius_table": "methods.tables",
    "RadiusTable": "methods.tables",
    "read_certificates": "report.read",
    "read_header": "report.read",
    "read_lines": "run.journal",
    "read_spec": "file.smoothing_spec",
    "read_summary": "report.read",
    "run_audit": "auditing.audit",
    "sequential_table": "methods.tables",
    "SequentialTable": "methods.tables",
    "Settings": "methods.settings",
    "SmoothingSpec": "file.smoothing_spec",
    "Verdict": "auditing.verdict",
    "Witness": "auditing.verdict",
    "write_report": "report.write_report",
}
__all__ = [
    "ABSTAIN",
    "METHODS",
    "AuditSettings",
    "Certificate",
    "Certifier",
    "CertifyError",
    "Data",
    "Finding",
    "FloatCertifier",
    "Job",
    "KeySource",
    "RadiusTable",
    "SequentialTable",
    "Settings",
    "SmoothingSpec",
    "Verdict",
    "Witness",
    "attach_spec",
    "audit",
    "certify_dataset",
    "check_offline",
    "load_data",
    "make_data",
    "plan_hash",
    "plan_of",
    "radius_table",
    "read_certificates",
    "read_header",
    "read_summary",
    "read_lines",
    "read_spec",
    "run_audit",
    "sequential_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
