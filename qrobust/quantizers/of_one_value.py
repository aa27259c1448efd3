"""Functions of one value that become tables: exact on NumPy, differentiable in Keras."""

from collections.abc import Callable
from math import erf
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

_Floats = npt.NDArray[np.float64]
_erf = np.vectorize(erf, otypes=[np.float64])


def _sigmoid(x: _Floats, p: Any) -> _Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _hard_sigmoid(x: _Floats, p: Any) -> _Floats:
    return np.clip((x + 3) / 6, 0, 1)


def _leaky(x: _Floats, p: Any) -> _Floats:
    return np.where(x >= 0, x, p * x)


def _elu(x: _Floats, p: Any) -> _Floats:
    return np.where(x >= 0, x, p * np.expm1(np.minimum(x, 0)))


def _softplus(x: _Floats, p: Any) -> _Floats:
    return np.logaddexp(x, 0)


_Pair = tuple[Callable[[_Floats, Any], _Floats], Callable[[Any, Any], Any]]
_A = keras.activations
#: Name -> in float64, and in Keras for the gradient.
_FUNCTIONS: dict[str, _Pair] = {
    "elu": (_elu, lambda x, p: ops.where(x >= 0, x, p * ops.expm1(ops.minimum(x, 0.0)))),
    "gelu": (lambda x, p: x * (1 + _erf(x / np.sqrt(2))) / 2, lambda x, p: _A.gelu(x)),
    "hard_sigmoid": (_hard_sigmoid, lambda x, p: _A.hard_sigmoid(x)),
    "hard_silu": (lambda x, p: x * _hard_sigmoid(x, p), lambda x, p: _A.hard_silu(x)),
    "leaky_relu": (_leaky, lambda x, p: ops.where(x >= 0, x, p * x)),
    "mish": (lambda x, p: x * np.tanh(_softplus(x, p)), lambda x, p: _A.mish(x)),
    "sigmoid": (_sigmoid, lambda x, p: _A.sigmoid(x)),
    "silu": (lambda x, p: x * _sigmoid(x, p), lambda x, p: _A.silu(x)),
    "softplus": (_softplus, lambda x, p: _A.softplus(x)),
    "softsign": (lambda x, p: x / (1 + np.abs(x)), lambda x, p: _A.softsign(x)),
    "tanh": (lambda x, p: np.tanh(x), lambda x, p: _A.tanh(x)),
}
_DEFAULTS = {"elu": 1.0, "leaky_relu": 0.2}
_NEVER_NEGATIVE = ("hard_sigmoid", "sigmoid", "softplus")
_WITHIN_ONE = ("hard_sigmoid", "sigmoid", "softsign", "tanh")


@keras.saving.register_keras_serializable(package="qrobust")
class OfOneValue:
    """A function of one value, as an activation.

    Args:
        function: "elu", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "mish", "sigmoid",
            "silu", "softplus", "softsign" or "tanh", as Keras has them (gelu without its
            approximation).
        parameter: of "leaky_relu" its slope, of "elu" its alpha, a number or one for each channel
            of the last axis; None for Keras's default.
    """

    def __init__(self, function: str, parameter: Any = None) -> None:
        if function not in _FUNCTIONS:
            raise ValueError(f"function is one of {', '.join(_FUNCTIONS)}. Received: {function!r}")
        if parameter is not None and function not in _DEFAULTS:
            raise ValueError(f"{function} takes no parameter. Received: {parameter!r}")
        self.function = function
        self.parameter: Any = _DEFAULTS.get(function) if parameter is None else parameter

    def __call__(self, x: Any) -> Any:
        """The function in Keras, with its gradient."""
        parameter = self.parameter
        if parameter is not None:
            parameter = ops.convert_to_tensor(np.asarray(parameter), dtype="float32")
        return _FUNCTIONS[self.function][1](x, parameter)

    def exactly(self, x: npt.ArrayLike) -> _Floats:
        """The function in float64; ``x`` broadcasts against the parameter."""
        parameter = None if self.parameter is None else np.asarray(self.parameter, np.float64)
        values = np.asarray(x, np.float64)
        return np.asarray(_FUNCTIONS[self.function][0](values, parameter), np.float64)

    @property
    def never_negative(self) -> bool:
        """Whether no value is below zero."""
        return self.function in _NEVER_NEGATIVE

    @property
    def within_one(self) -> bool:
        """Whether no value is beyond -1 or 1."""
        return self.function in _WITHIN_ONE

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        parameter = np.asarray(self.parameter).tolist() if self.function in _DEFAULTS else None
        return {"function": self.function, "parameter": parameter}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OfOneValue":
        """Build one from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        if np.ndim(self.parameter):
            return f"{self.function} of {len(self.parameter)} channels"
        return self.function if self.parameter is None else f"{self.function}({self.parameter:g})"


def known_functions() -> tuple[str, ...]:
    """The names that `OfOneValue` takes."""
    return tuple(_FUNCTIONS)
