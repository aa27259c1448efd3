"""Certify integer ``.tflite`` classifiers by randomized smoothing, on the device, in integers.

Needs NumPy and LiteRT only. Nothing here trains or exports, and nothing loads TensorFlow.
"""

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
from qrobust.certify.run.journal import read_lines
from qrobust.certify.run.keys import KeySource, plan_hash

__all__ = [
    "ABSTAIN",
    "METHODS",
    "AuditSettings",
    "Certificate",
    "Certifier",
    "CertifyError",
    "Data",
    "Finding",
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
