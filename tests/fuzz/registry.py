"""The targets of this machine."""

from tests.fuzz.c_target import AVAILABLE, CTables
from tests.fuzz.contract_target import Contract
from tests.fuzz.targets import TARGETS as PYTHON_TARGETS

#: Name -> target; the C one where there is a compiler.
TARGETS = (
    PYTHON_TARGETS | {Contract.name: Contract} | ({CTables.name: CTables} if AVAILABLE else {})
)
