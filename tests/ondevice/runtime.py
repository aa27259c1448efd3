"""What a device's runtime looks like to the comparison."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Unavailable(Exception):
    """The runtime cannot be had on this machine; the text says why. A skip, never a pass."""


class Unsupported(Exception):
    """The runtime is here but takes no model of this kind. A skip, never a pass."""


class RunFailed(Exception):
    """The runtime was started and crashed, hung or refused. A failure."""


class Runtime(Protocol):
    """Runs one-input, one-output integer models on one kind of device.

    Attributes:
        name: What the command line calls it.
        version: Runtime, release and device in a few words; known once installed.
    """

    name: str
    version: str

    def install(self, cache: Path) -> None:
        """Makes the runtime ready, keeping what it downloads under `cache`.

        Returns at once when called again.

        Raises:
            Unavailable: With the reason, when that is not possible on this machine.
        """

    def run(self, model: Path, inputs: NDArray[np.integer]) -> NDArray[np.integer]:
        """Runs the model on every input.

        Args:
            model: A .tflite file.
            inputs: `(N, ...)` in the model's input type.

        Returns:
            `(N, ...)` in the model's output type.

        Raises:
            Unsupported: When the runtime cannot take this model.
            RunFailed: When it crashed or fell silent.
        """

    def close(self) -> None:
        """Ends the processes that `run` left waiting; `run` starts them again."""
