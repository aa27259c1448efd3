"""The example's build and run, and this project, made importable from here."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..debian import find_or_install

PROJECT = Path(__file__).resolve().parents[3]


def install() -> None:
    """Finds or installs the compiler and the emulator.

    Raises:
        Unavailable: With the reason, when that is not possible on this machine.
    """
    find_or_install("gcc-arm-none-eabi", ["arm-none-eabi-gcc"])
    find_or_install(
        "libnewlib-arm-none-eabi",
        ["/usr/lib/arm-none-eabi/newlib/nosys.specs", "/usr/arm-none-eabi/lib/nosys.specs"],
    )
    find_or_install("qemu-system-arm", ["qemu-system-arm"])


def load_device() -> ModuleType:
    """Returns examples/microcontroller/device.py."""
    if "device" not in sys.modules:
        # Ahead of tests/, which has folders of the same names as the project's packages.
        sys.path.insert(0, str(PROJECT))
        path = PROJECT / "examples" / "microcontroller" / "device.py"
        spec = importlib.util.spec_from_file_location("device", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules["device"] = module
        spec.loader.exec_module(module)
    return sys.modules["device"]
