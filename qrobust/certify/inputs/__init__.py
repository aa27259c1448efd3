"""From what people have - arrays, pictures, sounds, tables of paths - to integers of a grid."""

from qrobust.certify.inputs.expected import Expected, expected_by
from qrobust.certify.inputs.load import load_inputs

__all__ = ["Expected", "expected_by", "load_inputs"]
