"""A differentiable twin of anybody's integer file: what its integers stand for, in float32."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.targets.differentiable_target import DifferentiableTarget

_BATCH = 256
_CODES = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}


class Twin(DifferentiableTarget):
    r"""Logits and gradients of a ``.tflite`` of convolutions, sums, averages and dense layers.

    Weights are the file's integers times their steps. Every result is rounded to its own grid and
    clipped there as in the file; gradients pass the rounding unchanged and stop where it clips:

    .. math:: c = \mathrm{clip}(v), \quad v' = s \lfloor c / s + 1/2 \rfloor, \quad
              \partial v' / \partial v = [c = v]

    A final softmax is left out. Kernels round products otherwise by a step here and there, so the
    twin is near the file and not the file: what it finds is for the file to judge.

    Args:
        content: the file.
        grid: of its inputs.
        name: in reports.

    Raises:
        ValueError: an operator that is not known here.
    """

    def __init__(self, content: bytes, *, grid: PixelGrid, name: str = "twin") -> None:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        self._graph = model.subgraphs[0]
        self._buffers = model.buffers
        self._codes = [
            _CODES[max(code.builtinCode, code.deprecatedBuiltinCode)]
            for code in model.operatorCodes
        ]
        operators = list(self._graph.operators)
        self._output = int(self._graph.outputs[0])
        if self._codes[operators[-1].opcodeIndex] == "SOFTMAX":
            self._output = int(operators.pop().inputs[0])
        self._operators = operators
        for operator in operators:
            if self._codes[operator.opcodeIndex] not in _RUNS:
                raise ValueError(
                    f"no differentiable twin: {self._codes[operator.opcodeIndex]} is not known; "
                    "name a Keras model to follow instead"
                )
        self.name, self.grid, self.batch = name, grid, _BATCH
        self.shape = tuple(int(n) for n in self._graph.tensors[self._graph.inputs[0]].shape[1:])
        self.classes = int(self._graph.tensors[self._output].shape[-1])
        self._constants = {
            index: value
            for index in range(len(self._graph.tensors))
            if (value := self._constant(index)) is not None
        }
        self._compile()

    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB."""
        source = int(self._graph.inputs[0])
        scale = self._graph.tensors[source].quantization.scale[0]
        values: dict[int, Any] = {source: x * np.float32(scale)}
        for operator in self._operators:
            given = [
                values[i] if i in values else self._constants.get(i)
                for i in map(int, operator.inputs)
            ]
            run = _RUNS[self._codes[operator.opcodeIndex]]
            made = int(operator.outputs[0])
            shape = [int(n) for n in self._graph.tensors[made].shape]
            values[made] = self._rounded(
                made, _activated(operator, run(given, operator.builtinOptions, shape))
            )
        return values[self._output]

    def _constant(self, index: int) -> NDArray[Any] | None:
        """A tensor of the file as real numbers; None of one that is computed."""
        tensor = self._graph.tensors[index]
        data = self._buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        kinds = {0: np.float32, 2: np.int32, 4: np.int64, 9: np.int8}
        if tensor.type not in kinds:
            raise ValueError(
                f"no differentiable twin: constants of type {tensor.type} are not known"
            )
        raw = np.frombuffer(bytes(data), kinds[tensor.type]).reshape(tensor.shape)
        quantization = tensor.quantization
        if quantization is None or quantization.scale is None or not len(quantization.scale):
            return raw
        shape = [1] * raw.ndim
        shape[quantization.quantizedDimension] = -1
        scale = np.reshape(quantization.scale, shape if len(quantization.scale) > 1 else [1])
        zero = np.reshape(quantization.zeroPoint, shape if len(quantization.zeroPoint) > 1 else [1])
        return ((raw.astype(np.float64) - zero) * scale).astype(np.float32)

    def _rounded(self, index: int, value: Any) -> Any:
        import tensorflow as tf

        tensor = self._graph.tensors[index]
        if tensor.type != schema.TensorType.INT8:
            return value
        scale = np.float32(tensor.quantization.scale[0])
        zero = int(tensor.quantization.zeroPoint[0])
        clipped = tf.clip_by_value(value, scale * (-128 - zero), scale * (127 - zero))
        return clipped + tf.stop_gradient(scale * tf.floor(clipped / scale + 0.5) - clipped)


def _activated(operator: Any, value: Any) -> Any:
    import tensorflow as tf

    kind = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    known = {0: lambda v: v, 1: tf.nn.relu, 3: tf.nn.relu6}
    if kind not in known:
        raise ValueError(f"no differentiable twin: fused activation {kind} is not known")
    return known[kind](value)


def _conv(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    x, kernel, bias = given
    strides = (options.strideH, options.strideW)
    made = tf.nn.conv2d(x, tf.transpose(kernel, (1, 2, 3, 0)), strides, _padding(options))
    return made if bias is None else made + bias


def _depthwise(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    x, kernel, bias = given
    kernel = tf.reshape(kernel, (*kernel.shape[1:3], x.shape[-1], -1))
    strides = (1, options.strideH, options.strideW, 1)
    made = tf.nn.depthwise_conv2d(x, kernel, strides, _padding(options))
    return made if bias is None else made + bias


def _dense(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    x, kernel, bias = (*given, None)[:3]
    made = tf.matmul(tf.reshape(x, (-1, kernel.shape[1])), kernel, transpose_b=True)
    return made if bias is None else made + bias


def _average(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    return tf.nn.avg_pool2d(given[0], size, strides, _padding(options))


def _mean(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(given[0], [int(i) for i in given[1]], keepdims=bool(options.keepDims))


def _reshape(given: list[Any], options: Any, shape: list[int]) -> Any:
    import tensorflow as tf

    return tf.reshape(given[0], (-1, *shape[1:]))


def _same(given: list[Any], options: Any, shape: list[int]) -> Any:
    return given[0]  # then rounded to another grid


def _add(given: list[Any], options: Any, shape: list[int]) -> Any:
    return given[0] + given[1]


def _padding(options: Any) -> str:
    return "SAME" if options.padding == schema.Padding.SAME else "VALID"


_RUNS = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MEAN": _mean,
    "QUANTIZE": _same,
    "RESHAPE": _reshape,
}
