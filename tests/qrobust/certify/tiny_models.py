"""Integer ``.tflite`` files made by hand, small enough to know everything about."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TENSOR_TYPES = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


def _tensor(name, shape, dtype, buffer, *, scale=None, zero_point=0, signature=None):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = TENSOR_TYPES[dtype]
    tensor.shapeSignature = None if signature is None else list(signature)
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [zero_point]
    return tensor


def _buffer(array=None):
    buffer = schema.BufferT()
    if array is not None:
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    return buffer


def _operator_code(code, version):
    operator = schema.OperatorCodeT()
    operator.builtinCode = operator.deprecatedBuiltinCode = code
    operator.version = version
    return operator


def linear(
    weights,
    bias=None,
    *,
    shape=None,
    dtype="int8",
    zero_point=-128,
    scale=1.0,
    output_shift=0,
    metadata=None,
):
    """One FULLY_CONNECTED: output = sat(floor((weights @ x + bias) / 2**shift + 1/2)), int8.

    ``x`` are grid integers (tensor value minus zero point); weights int8[classes, coordinates].
    """
    weights = np.asarray(weights, np.int8)
    classes, coordinates = weights.shape
    bias = np.zeros(classes, np.int32) if bias is None else np.asarray(bias, np.int32)
    if output_shift:
        # Kernels round ties differently: 4 a + 1 over 4 * 2**shift is never one.
        weights, bias, output_shift = 4 * weights, 4 * bias + 1, output_shift + 2
    shape = (coordinates,) if shape is None else shape
    quantized = dtype in ("int8", "uint8")
    constant = "int8" if quantized else "float32"

    subgraph = schema.SubGraphT()
    model = schema.ModelT()
    if quantized:
        out_scale = scale * 2.0**output_shift
        # uint8 inputs are requantized to int8 first, as converters do.
        tensors = [
            _tensor(
                "x",
                (1, *shape),
                dtype,
                0,
                scale=scale,
                zero_point=zero_point,
                signature=(-1, *shape),
            ),
            _tensor("w", weights.shape, "int8", 1, scale=1.0),
            _tensor("b", bias.shape, "int32", 2, scale=scale),
            _tensor("logits", (1, classes), "int8", 0, scale=out_scale, signature=(-1, classes)),
        ]
        buffers = [_buffer(), _buffer(weights), _buffer(bias)]
    else:
        tensors = [
            _tensor("x", (1, *shape), dtype, 0, signature=(-1, *shape)),
            _tensor("w", weights.shape, constant, 1),
            _tensor("b", bias.shape, "float32", 2),
            _tensor("logits", (1, classes), dtype, 0, signature=(-1, classes)),
        ]
        buffers = [_buffer(), _buffer(weights.astype(np.float32)), _buffer(bias.astype(np.float32))]
    fully_connected = schema.OperatorT()
    fully_connected.opcodeIndex = 0
    fully_connected.inputs, fully_connected.outputs = [0, 1, 2], [3]
    fully_connected.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    fully_connected.builtinOptions = schema.FullyConnectedOptionsT()
    operators = [fully_connected]
    codes = [_operator_code(schema.BuiltinOperator.FULLY_CONNECTED, 4 if quantized else 1)]
    if dtype == "uint8":
        tensors.append(
            _tensor(
                "x8",
                (1, *shape),
                "int8",
                0,
                scale=scale,
                zero_point=zero_point - 128,
                signature=(-1, *shape),
            )
        )
        fully_connected.inputs = [4, 1, 2]
        quantize = schema.OperatorT()
        quantize.opcodeIndex, quantize.inputs, quantize.outputs = 1, [0], [4]
        quantize.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
        quantize.builtinOptions = schema.QuantizeOptionsT()
        operators = [quantize, fully_connected]
        codes.append(_operator_code(schema.BuiltinOperator.QUANTIZE, 2))
    subgraph.tensors, subgraph.operators = tensors, operators
    subgraph.inputs, subgraph.outputs = [0], [3]
    model.version, model.subgraphs, model.operatorCodes = 3, [subgraph], codes
    model.buffers = buffers
    model.metadata = []
    for name, data in (metadata or {}).items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.metadata.append(entry)
        model.buffers.append(_buffer(np.frombuffer(data, np.uint8)))
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def threshold_model(threshold, *, coordinates=4):
    """Class 0 where the first coordinate reaches the threshold, else class 1.

    The smoothed classifier is class 0 exactly where x[0] > threshold - 1/2, whatever sigma.
    """
    weights = np.zeros((2, coordinates), np.int8)
    weights[0, 0], weights[1, 0] = 1, -1
    return linear(weights, bias=[-threshold, threshold])
