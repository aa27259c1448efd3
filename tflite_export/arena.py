"""RAM that activations need when buffers are reused, as TFLM's greedy planner lays them out."""

from dataclasses import dataclass

from tflite_export.graph import IntegerGraph, Table, Tensor

_ALIGNMENT = 16
_INDEX_BYTES = 4


@dataclass(frozen=True)
class Buffer:
    """A tensor's bytes and the operators, first to last, during which they must stay.

    Attributes:
        tensor: which, or the output of the table whose indices these are.
        size: bytes, aligned.
        first: index of the operator that writes it; -1 for an input.
        last: index of the last operator that reads it.
    """

    tensor: Tensor
    size: int
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Whether both are alive at once."""
        return self.first <= other.last and other.first <= self.last


def activation_bytes(graph: IntegerGraph) -> int:
    """The size of the arena that ``plan`` needs."""
    placed = plan(graph)
    return max((offset + buffer.size for buffer, offset in placed), default=0)


def plan(graph: IntegerGraph) -> list[tuple[Buffer, int]]:
    """Buffers and their offsets: the largest first, each in the first gap that fits.

    Source: tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc.
    """
    placed: list[tuple[Buffer, int]] = []
    for buffer in sorted(_buffers(graph), key=lambda b: -b.size):
        neighbours = sorted(
            ((offset, other.size) for other, offset in placed if other.meets(buffer)),
        )
        start = 0
        for offset, size in neighbours:
            if start + buffer.size <= offset:
                break
            start = max(start, offset + size)
        placed.append((buffer, start))
    return placed


def _buffers(graph: IntegerGraph) -> list[Buffer]:
    first = {tensor: 0 for tensor in graph.inputs}
    last = dict(first)
    buffers, step = [], -1
    for operator in graph.operators:
        step += 1
        for tensor in operator.inputs:
            last[tensor] = step
        if isinstance(operator, Table):  # a CAST and an ADD of int32 before the GATHER
            for _ in range(2):
                size = _aligned(_INDEX_BYTES * operator.output.size)
                buffers.append(Buffer(operator.output, size, step, step + 1))
                step += 1
        first[operator.output] = last[operator.output] = step
    for tensor in graph.outputs:
        last[tensor] = max(step, 0)
    return buffers + [
        Buffer(tensor, _aligned(tensor.size), first[tensor], last[tensor]) for tensor in first
    ]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
