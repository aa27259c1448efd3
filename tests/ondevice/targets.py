"""The devices that the command line knows."""

from collections.abc import Callable

from .arm64 import Arm64
from .chromium import Chromium
from .node import Node
from .runtime import Runtime

TARGETS: dict[str, Callable[[], Runtime]] = {
    "arm64": Arm64,
    "arm64-a72": lambda: Arm64("cortex-a72"),
    "arm64-a53": lambda: Arm64("cortex-a53"),
    "node": Node,
    "chromium": Chromium,
}
DEFAULT_TARGETS = ("arm64", "node", "chromium")
