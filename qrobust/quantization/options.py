"""What ``quantize`` was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qrobust.quantization.bit_widths import BitWidths


@dataclass
class Options:
    """What ``quantize`` was asked for; nested models share it."""

    weight_bits: BitWidths
    activation_bits: BitWidths
    weight_scale: str
    seed: int | None
    equal_steps: bool = False

    def next_seed(self) -> int | None:
        """Another seed for every layer."""
        if self.seed is None:
            return None
        self.seed += 1
        return self.seed - 1


@contextmanager
def named(layer: str) -> Iterator[None]:
    """Say which layer cannot take its bits."""
    try:
        yield
    except ValueError as error:
        if f"'{layer}'" in str(error):
            raise
        raise ValueError(f"Layer '{layer}': {error}") from None
