"""The weights of a ``.tflite`` as the bits of a memory, and files in which some of them flipped."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tflite_export.c99.pack import field_bits
from tflite_export.graph import Linear
from tflite_export.read import read_graph

#: Where weights lie: in fields as wide as the file's type, or in those of the generated C.
FILE, C99 = "file", "c99"
STORAGES = (FILE, C99)
_WIDTHS = {schema.TensorType.INT8: 8, schema.TensorType.INT4: 4, schema.TensorType.INT2: 2}
_LINEAR = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """One tensor of weights.

    Attributes:
        name: in the file.
        offset: of its first byte in the file.
        width: bits of a weight in the file: 8, 4 or 2.
        values: int64[n], the file's integers in its order.
        bits: of the field that a weight lies in.
        factor: int64[n], the file's integers are these multiples of what the fields hold.
    """

    name: str
    offset: int
    width: int
    values: Ints
    bits: int
    factor: Ints

    def changed(self, values: Ints, index: Any, bit: Any) -> Ints:
        """The file's integers for weights ``index`` of ``values`` after a flip of their bit."""
        factor = self.factor[index]
        fields = values[index] // factor & (1 << self.bits) - 1
        fields = fields ^ (np.int64(1) << np.asarray(bit, np.int64))
        return np.asarray(factor * _signed(fields, self.bits), np.int64)


@dataclass(frozen=True, order=True)
class Flip:
    """Bit ``bit`` (0: the least) of weight ``index`` of layer ``layer``."""

    layer: int
    index: int
    bit: int


class StoredWeights:
    """Every bit of the weights of convolutions and dense layers; biases and scales stay.

    What several operators share is there once.

    A field holds two's complement. As ``"file"``, fields are as wide as the file's type (int8, int4
    or int2). As ``"c99"``, they are those of the C that ``qrobust export --c99`` writes, 2, 4 or 8
    bits, the narrowest that hold a layer, and what the flipped field stands for is written into
    the file: the same integers as that C would compute with.

    Attributes:
        layers: tensors of weights.
        uses: which of them each convolution or dense layer reads, in the file's order.

    Args:
        content: the file; any of int8, int4 or int2 weights.
        storage: ``"file"``, or ``"c99"`` for files of the integer contract.

    Raises:
        ValueError: no such weights, or a storage that is not known; ``"c99"`` of a file whose type
            does not hold what flipped fields of the C stand for.
        ExportError: ``"c99"`` of a file that is outside of the contract.
    """

    def __init__(self, content: bytes, storage: str = FILE) -> None:
        if storage not in STORAGES:
            raise ValueError(f"storage is one of {', '.join(STORAGES)}. Received: {storage!r}")
        self.content = content
        self.storage = storage
        try:
            found, self.uses = _tensors(content)
        except (struct.error, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"no .tflite that can be read: {error}") from None
        if not found:
            raise ValueError("no convolution or dense layer with weights of 8, 4 or 2 bits.")
        fields = [(layer.width, layer.factor) for layer in found]
        if storage == C99:
            linear = [op for op in read_graph(content).operators if isinstance(op, Linear)]
            first = [linear[self.uses.index(number)] for number in range(len(found))]
            fields = [_field(op, layer) for op, layer in zip(first, found, strict=True)]
        self.layers = [
            Layer(layer.name, layer.offset, layer.width, layer.values, *field)
            for layer, field in zip(found, fields, strict=True)
        ]
        self._ends = np.cumsum([len(layer.values) * layer.bits for layer in self.layers])

    @property
    def bits(self) -> int:
        """How many there are."""
        return int(self._ends[-1])

    def flip(self, number: int) -> Flip:
        """The ``number``-th bit of all."""
        layer = int(np.searchsorted(self._ends, number, side="right"))
        within = number - (int(self._ends[layer - 1]) if layer else 0)
        return Flip(layer, *divmod(within, self.layers[layer].bits))

    def random(self, rng: np.random.Generator, count: int) -> list[Flip]:
        """That many different bits, every one as likely."""
        return [self.flip(int(i)) for i in rng.choice(self.bits, count, replace=False)]

    def values(self, flips: Sequence[Flip]) -> list[Ints]:
        """The file's integers of every layer after the flips."""
        made = [layer.values for layer in self.layers]
        for number in {flip.layer for flip in flips}:
            made[number] = made[number].copy()
        for flip in flips:
            own = made[flip.layer]
            own[flip.index] = self.layers[flip.layer].changed(own, flip.index, flip.bit)
        return made

    def flipped(self, flips: Sequence[Flip]) -> bytes:
        """The file with these bits flipped."""
        content = bytearray(self.content)
        made = self.values(flips)
        for number in {flip.layer for flip in flips}:
            layer = self.layers[number]
            raw = _packed(made[number], layer.width)
            content[layer.offset : layer.offset + len(raw)] = raw
        return bytes(content)


def _signed(fields: Ints, bits: int) -> Ints:
    half = np.int64(1) << (bits - 1)
    return np.asarray((fields ^ half) - half, np.int64)


def _tensors(content: bytes) -> tuple[list[Layer], list[int]]:
    """Every tensor of weights, in the order of the operators that read them first; who reads it."""
    raw = np.frombuffer(content, np.uint8)
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    kinds = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
    found: dict[int, Layer] = {}
    uses = []
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            if kinds[operator.OpcodeIndex()] not in _LINEAR:
                continue
            tensor = graph.Tensors(operator.Inputs(1))
            data: Any = model.Buffers(tensor.Buffer()).DataAsNumpy()
            if tensor.Type() not in _WIDTHS or isinstance(data, int):
                continue
            uses.append(tensor.Buffer())
            if tensor.Buffer() in found:
                continue
            # The array is a view: where it begins in the file is the difference of addresses.
            offset = data.ctypes.data - raw.ctypes.data
            width = _WIDTHS[tensor.Type()]
            values = _unpacked(data, width, int(np.prod(tensor.ShapeAsNumpy())))
            name = tensor.Name().decode("utf-8", "replace")
            found[tensor.Buffer()] = Layer(name, offset, width, values, width, np.ones_like(values))
    order = list(found)
    return list(found.values()), [order.index(buffer) for buffer in uses]


def _field(operator: Linear, layer: Layer) -> tuple[int, Ints]:
    """Bits of the field in C, and what the file multiplies its integers by, channel by channel."""
    own, axis = operator.weights, operator.channel_axis
    file = layer.values.reshape(own.shape)
    others = tuple(i for i in range(own.ndim) if i != axis)
    largest, smaller = (np.abs(w).max(axis=others, keepdims=True) for w in (file, own))
    factor = np.where(smaller > 0, largest // np.maximum(smaller, 1), 1)
    if not np.array_equal(own * factor, file):
        raise ValueError(
            f"'{layer.name}': the file's weights are no multiples of those of the C; use "
            f"--storage {FILE}."
        )
    bits = field_bits(own)
    # The least a field holds, which flips reach, has to be an integer of the file's type.
    if int(factor.max()) << (bits - 1) > 1 << (layer.width - 1):
        raise ValueError(
            f"'{layer.name}': flipped fields of {bits} bits, {int(factor.max())} times as large in "
            f"the file, leave its {layer.width}-bit type; use --storage {FILE}."
        )
    return bits, np.broadcast_to(factor, own.shape).reshape(-1)


def _unpacked(raw: NDArray[np.uint8], width: int, count: int) -> Ints:
    """The lowest bits of a byte come first."""
    shifts = np.arange(0, 8, width)
    fields = (raw.astype(np.int64)[:, None] >> shifts) & (1 << width) - 1
    return _signed(fields.reshape(-1)[:count], width)


def _packed(values: Ints, width: int) -> bytes:
    each = 8 // width
    padded = np.zeros(-(-len(values) // each) * each, np.int64)
    padded[: len(values)] = values & (1 << width) - 1
    fields = padded.reshape(-1, each) << np.arange(0, 8, width)
    raw: bytes = fields.sum(axis=1).astype(np.uint8).tobytes()
    return raw
