"""Shipped files with a field or two changed: what is called portable gives the same integers.

Whatever `contract_problem` says nothing against is run by the project's NumPy reference, by every
kernel family of LiteRT (a child each) and, where it is installed, by TFLM.
"""

import random
from math import nextafter

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz.targets import MODELS, Finding, Target, clean
from tflite_export import reference, runtimes
from tflite_export.contract import contract_problem
from tflite_export.errors import ExportError
from tflite_export.read import read_graph

#: The small one most often: a run is as long as its networks are large.
_SEEDS = ("digits", "digits", "digits", "kws_dscnn_w4a8", "cifar10_resnet8_w4a4")
_INPUTS = 6
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 255, -1, -2, -128)


class Contract(Target):
    """A ``.tflite`` whose fields were changed; past the first check is what the reader takes."""

    name = "contract"

    def make_seeds(self):
        return [(MODELS / name / "model.tflite").read_bytes() for name in _SEEDS]

    def damaged(self, data, rng):
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        for _ in range(rng.choice((1, 1, 1, 2))):
            # Most changes of structure are refused: constants keep half of the files alive.
            change = rng.choice((*(_constant,) * 7, _scale, _zero_point, _shape, _option, _kind))
            change(model, rng)
        builder = flatbuffers.Builder(len(data))
        try:
            builder.Finish(model.Pack(builder), b"TFL3")
        except Exception:
            return data  # a value that the field cannot hold
        return bytes(builder.Output())

    def judge(self, data):
        problem = contract_problem(data)
        try:
            graph = read_graph(data, as_stored=True)
        except ExportError as error:
            clean(error)
            if not problem:
                raise Finding("called portable, but no reader takes it") from None
            return False
        if problem:
            clean(ExportError(problem))
            return True
        inputs = _inputs(graph, random.Random(len(data)))
        expected = reference.run(graph, *inputs)
        for name in runtimes.RUNTIMES:
            if runtimes.missing(name, data) is not None:
                continue
            try:
                given = runtimes.run(name, data, [x.astype(np.int8) for x in inputs])
            except ExportError as error:
                raise Finding(f"called portable, but {error}") from None
            for ours, theirs in zip(expected, given, strict=True):
                if not np.array_equal(ours, theirs):
                    raise Finding(f"called portable, but {name} gives other integers")
        return True


def _inputs(graph, rng):
    """Integers of each input: drawn, and all of the least and of the greatest."""
    draws = np.random.default_rng(rng.getrandbits(32))
    found = []
    for tensor in graph.inputs:
        x = draws.integers(-128, 127, (_INPUTS, *tensor.shape), endpoint=True)
        x[0], x[1] = -128, 127
        found.append(x)
    return found


def _quantized(model, rng):
    tensors = [t for t in model.subgraphs[0].tensors if t.quantization is not None]
    held = [t for t in tensors if t.quantization.scale is not None]
    return rng.choice(held).quantization


def _scale(model, rng):
    parameters = _quantized(model, rng)
    changed = np.array(parameters.scale, np.float32)
    place = rng.randrange(len(changed))
    old = float(changed[place])
    new = (2 * old, old / 2, 0.75 * old, nextafter(old, 1), -old, 0.0, float("nan"), old * 2**-20)
    changed[place] = rng.choice(new)
    if rng.random() < 0.5:
        changed[:] = changed[place]
    parameters.scale = changed


def _zero_point(model, rng):
    parameters = _quantized(model, rng)
    if parameters.zeroPoint is not None and len(parameters.zeroPoint):
        changed = np.array(parameters.zeroPoint, np.int64)
        changed[rng.randrange(len(changed))] += rng.choice((1, -1, 128, -128, 1 << 40))
        parameters.zeroPoint = changed
    if rng.random() < 0.2:
        parameters.quantizedDimension = rng.choice((0, 1, 2, 3, -1))


def _constant(model, rng):
    """A weight, a bias, or an entry of a constant shape."""
    held = [b for b in model.buffers if b.data is not None and len(b.data)]
    buffer = rng.choice(held)
    data = np.array(buffer.data, np.uint8)
    for _ in range(rng.choice((1, 1, 4, 64))):
        if rng.random() < 0.5 or len(data) % 4:
            place = rng.randrange(len(data))
            old = int(data[place])  # a change by two keeps what is free of ties so
            drawn = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            data[place] = rng.choice((old + 2, old - 2, old ^ 128, drawn)) % 256
        else:
            words = data.view("<i4")
            place = rng.randrange(len(words))
            old = int(words[place])
            new = rng.choice((old + 2, old - 2, old + 1, -old, 2 * old, rng.randrange(1 << 20)))
            words[place] = (new + (1 << 31)) % (1 << 32) - (1 << 31)
    buffer.data = data


def _shape(model, rng):
    tensor = rng.choice(model.subgraphs[0].tensors)
    shape = [int(n) for n in (() if tensor.shape is None else tensor.shape)]
    if not shape:
        return
    place = rng.randrange(len(shape))
    match rng.randrange(4):
        case 0:
            shape[place] = max(shape[place] + rng.choice((1, -1)), 0)
        case 1:
            rng.shuffle(shape)
        case 2:
            del shape[place]
        case _:
            shape.insert(place, 1)
    tensor.shape = shape


def _option(model, rng):
    """A number of an operator's options, its code, or the order of what it reads."""
    operator = rng.choice(model.subgraphs[0].operators)
    options = operator.builtinOptions
    numbers = [n for n, v in vars(options or operator).items() if isinstance(v, int | float)]
    match rng.randrange(6):
        case 0 if len(operator.inputs) > 1:
            operator.inputs = list(reversed([int(i) for i in operator.inputs]))
        case 1:
            code = rng.choice(model.operatorCodes)
            code.builtinCode = rng.choice([c.builtinCode for c in model.operatorCodes])
        case _ if options is not None and numbers:
            name = rng.choice(numbers)
            old = getattr(options, name)
            new = rng.choice(_NUMBERS) if not isinstance(old, bool) else not old
            setattr(options, name, new)


def _kind(model, rng):
    tensor = rng.choice(model.subgraphs[0].tensors)
    kinds = schema.TensorType
    tensor.type = rng.choice((kinds.INT8, kinds.UINT8, kinds.INT4, kinds.INT16, kinds.INT32))
