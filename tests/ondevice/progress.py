"""Says how far a slow run has come."""

import logging
from collections.abc import Callable

logger = logging.getLogger("ondevice")


def progress(name: str, total: int) -> Callable[[int], None]:
    """Returns a function that logs how many of `total` inputs the runtime `name` has run."""
    return lambda done: logger.info("%s: %d of %d inputs", name, done, total)
