"""What a machine is, and whether it had time: without its name, its user or a path."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrobust.certify.run.shares import available_cores

_CPU_INFO = Path("/proc/cpuinfo")
#: Lines of it that name a processor: of x86, of Arm, of small boards.
_NAMES = ("model name", "Model", "Hardware", "cpu model")
#: Others may use so much of the cores ...
_LOAD = 0.25
#: ... and so much of the time that a measurement asked for.
_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was measured on.

    Attributes:
        cpu: its processor, as the system names it.
        cores: that the process may use.
        architecture: "x86_64", "aarch64", ...
        system: "Linux", ...
        emulated: an emulator, as whoever ran it said; False says that silicon was seen.
    """

    cpu: str
    cores: int
    architecture: str
    system: str
    emulated: bool

    @classmethod
    def here(cls, *, emulated: bool = False) -> Machine:
        """Return this machine."""
        return cls(
            cpu=cpu_name(),
            cores=available_cores(),
            architecture=platform.machine(),
            system=platform.system(),
            emulated=emulated,
        )


@dataclass(frozen=True, kw_only=True)
class Load:
    """Whether others used the machine meanwhile.

    Attributes:
        before: the system's load average of a minute when it began; None where it has none.
        cores: of the machine.
        share: least part of the wall clock that a thread at work got a core for, in [0, 1].
    """

    before: float | None
    cores: int
    share: float

    @property
    def busy(self) -> str:
        """Why the seconds are not this machine's best; nothing where it was idle."""
        reasons = []
        if self.before is not None and self.before > _LOAD * self.cores:
            reasons.append(f"the load was {self.before:.1f} on {self.cores} cores")
        if self.share < _SHARE:
            reasons.append(f"threads at work had a core for {self.share:.0%} of the time")
        return " and ".join(reasons)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object: the attributes, and what follows from them."""
        return {"before": self.before, "cores": self.cores, "share": self.share, "busy": self.busy}


def cpu_name(info: Path = _CPU_INFO) -> str:
    """Return what the system calls its processor."""
    try:
        lines = info.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    said = dict(reversed([(a.strip(), b.strip()) for a, _, b in (x.partition(":") for x in lines)]))
    found = next((said[name] for name in _NAMES if said.get(name)), "")
    return found or platform.processor() or platform.machine()


def load_average() -> float | None:
    """Return the load of the last minute, to a tenth."""
    try:
        return round(os.getloadavg()[0], 1)
    except (AttributeError, OSError):
        return None
