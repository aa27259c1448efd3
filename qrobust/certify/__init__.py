"""Certify integer ``.tflite`` classifiers by randomized smoothing, on the device, in integers.

Needs NumPy and LiteRT only. Nothing here trains or exports, and nothing loads TensorFlow.
"""

from qrobust.certify.audit import Finding, audit
from qrobust.certify.batch import Job, certify_dataset
from qrobust.certify.bounds import ABSTAIN
from qrobust.certify.certificate import Certificate
from qrobust.certify.certifier import Certifier
from qrobust.certify.data import Data, load_data, make_data
from qrobust.certify.errors import CertifyError
from qrobust.certify.journal import read_lines
from qrobust.certify.report import write_report
from qrobust.certify.settings import METHODS, Settings
from qrobust.certify.spec import SmoothingSpec, attach_spec, read_spec
from qrobust.certify.tables import RadiusTable, SequentialTable, radius_table, sequential_table

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
