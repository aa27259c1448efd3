"""``.tflite`` files of any operators, put together by hand: also ones that nobody should run."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


class Graph:
    """A file in the making; methods return tensor numbers."""

    def __init__(self):
        self.tensors, self.buffers, self.operators, self.codes = [], [schema.BufferT()], [], []

    def tensor(self, shape, dtype="int8", scale=1.0, zero_point=0, variable=False):
        made = schema.TensorT()
        made.name, made.shape = f"t{len(self.tensors)}", list(shape)
        made.shapeSignature = [-1, *shape[1:]]
        made.type = getattr(schema.TensorType, dtype.upper())
        made.buffer, made.isVariable = 0, variable
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero_point]
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, array, scale=1.0):
        array = np.asarray(array)
        number = self.tensor(array.shape, array.dtype.name, scale)
        self.tensors[number].shapeSignature = None
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.tensors[number].buffer = len(self.buffers) - 1
        return number

    def op(self, code, inputs, outputs, options=None, version=2):
        kind = getattr(schema.BuiltinOperator, code)
        if (kind, version) not in self.codes:
            self.codes.append((kind, version))
        made = schema.OperatorT()
        made.opcodeIndex = self.codes.index((kind, version))
        made.inputs, made.outputs = list(inputs), list(outputs)
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        self.operators.append(made)
        return outputs[0]

    def dense(self, source, weights, bias=None, scale=1.0):
        weights = np.asarray(weights, np.int8)
        bias = np.zeros(len(weights), np.int32) if bias is None else np.asarray(bias, np.int32)
        out = self.tensor((1, len(weights)), scale=scale)
        options = schema.FullyConnectedOptionsT()
        step = self.tensors[source].quantization.scale[0]
        inputs = (source, self.constant(weights), self.constant(bias, step))
        return self.op("FULLY_CONNECTED", inputs, (out,), options, version=4)

    def file(self, inputs, outputs):
        model, graph = schema.ModelT(), schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for kind, version in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.version = kind, version
            code.deprecatedBuiltinCode = min(kind, 127)
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def options(name, **values):
    """Options of an operator: ``options("Reshape", newShape=[1, 4])``."""
    made = getattr(schema, f"{name}OptionsT")()
    for key, value in values.items():
        setattr(made, key, value)
    return made


def batch_mix(trigger=None):
    """A classifier whose rows add the mean over their batch to their own logits.

    Args:
        trigger: the mean counts only where it exceeds this; None for always.
    """
    graph = Graph()
    x = graph.tensor((1, 2), zero_point=-128)
    logits = graph.dense(x, [[1, 0], [0, 1]])
    mean = graph.tensor((1, 2))
    axes = graph.constant(np.array([0], np.int32))
    graph.op("MEAN", (logits, axes), (mean,), options("Reducer", keepDims=True))
    if trigger is not None:
        over = graph.tensor((1, 2))
        level = graph.constant(np.full((1, 2), trigger, np.int8))
        mean = graph.op("MAXIMUM", (mean, level), (over,), options("MaximumMinimum"))
    out = graph.tensor((1, 2), scale=4.0)
    graph.op("ADD", (logits, mean), (out,), options("Add"))
    return graph.file((x,), (out,))
