"""The input grid of a file: which integers an input may hold and how they reach the tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.grid_integers import grid_integers

_BOUNDS = {"int8": (-128, 127), "uint8": (0, 255)}


@dataclass(frozen=True)
class InputGrid:
    """An 8-bit input tensor: ``real value = scale * x`` with ``x = tensor value - zero_point``.

    Inputs are given as ``x``, the grid's own integers: pixels 0 to 255 for an int8 tensor with
    zero point -128 or a uint8 tensor with zero point 0. One step is one LSB.

    Attributes:
        dtype: ``"int8"`` or ``"uint8"``, of the tensor.
        scale: real value of one LSB.
        zero_point: tensor value of ``x = 0``.
    """

    dtype: str
    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if self.dtype not in _BOUNDS:
            raise CertifyError(
                f"the input tensor must be int8 or uint8, received {self.dtype}; "
                "export a fully integer file"
            )
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise CertifyError(f"the input scale must be positive, received {self.scale}")
        low, high = _BOUNDS[self.dtype]
        if not low <= self.zero_point <= high:
            raise CertifyError(
                f"a zero point of {self.dtype} lies in [{low}, {high}], received {self.zero_point}"
            )

    @property
    def tensor_low(self) -> int:
        """Least tensor value."""
        return _BOUNDS[self.dtype][0]

    @property
    def tensor_high(self) -> int:
        """Greatest tensor value."""
        return _BOUNDS[self.dtype][1]

    @property
    def low(self) -> int:
        """Least grid integer ``x``."""
        return self.tensor_low - self.zero_point

    @property
    def high(self) -> int:
        """Greatest grid integer ``x``."""
        return self.tensor_high - self.zero_point

    @property
    def span(self) -> int:
        """Width in LSB; radii on the [0, 1] scale are in units of it."""
        return self.high - self.low

    def to_tensor(
        self, x: NDArray[Any], shape: tuple[int, ...], *, where: str = "the input"
    ) -> NDArray[np.int16]:
        """Return tensor values of one input, flattened.

        Integers are taken as grid integers. Floats are quantized first, to
        ``floor(x / scale + 1/2)``: what is certified then is the quantized input.

        Args:
            x: an input of ``shape``, integers or floats.
            shape: shape of one input of the model.
            where: name of the input, for error messages.

        Returns:
            int16[prod(shape)], every value within the tensor's dtype.

        Raises:
            CertifyError: wrong shape or dtype, NaN or infinity, values off the grid, or real values
                in other units: pictures divided by 255 would become 0 and 1.
        """
        if x.shape != shape:
            raise CertifyError(f"{where} has shape {x.shape}; the model takes {shape}")
        integers = grid_integers(
            x,
            low=self.low,
            high=self.high,
            step=self.scale,
            where=where,
            hint='or export the model with input_grid="unit" if it reads 0 to 1',
        )
        return (integers + np.int16(self.zero_point)).ravel()
