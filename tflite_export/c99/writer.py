"""One model being written as C: constants, kernel calls, buffers, and in the end the text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from tflite_export.c99.file_text import Network, in_comment
from tflite_export.c99.plan import Block, Overlap, Plan, aligned, plan_arena
from tflite_export.graph import Add, IntegerGraph, Linear, Operator, Tensor

_INT32_MIN = -(2**31)
_COLUMNS = 100


@dataclass(frozen=True)
class Call:
    """One kernel call; ``{0}``, ``{1}`` stand for its buffers' places."""

    comment: str
    text: str
    buffers: tuple[tuple[Block, str], ...]


class Writer:
    """One model being written.

    Args:
        graph: the model.
        name: in front of its functions and macros.
        prefix: of its constants, where several models share a file.
    """

    def __init__(self, graph: IntegerGraph, name: str, prefix: str = "") -> None:
        self.graph = graph
        self.name = name
        self.prefix = prefix
        self.kernels: dict[tuple[str, int | None], None] = {("common", None): None}
        self.constants: list[str] = []
        self.calls: list[Call] = []
        self.blocks: list[Block] = []
        self.overlaps: list[Overlap] = []
        self.home: dict[Tensor, Block] = {}
        self.step = 0
        self.last_use = self._last_uses()
        self.unclipped = self._unclipped()
        for tensor in graph.inputs:
            self.home[tensor] = self._block(tensor, first=0)

    def steps(self) -> Iterator[Operator]:
        """The operators in turn; what is emitted belongs to the current one."""
        for step, operator in enumerate(self.graph.operators, start=1):
            self.step = step
            yield operator

    def finish(self) -> Network:
        """Plan the arena and write the model's part of a file."""
        plan = plan_arena(self.blocks, self.overlaps)
        size = max(aligned(plan.size), 4)
        functions = (
            self._pointers("int8_t *", "input", self.graph.inputs, plan),
            self._run(plan),
            self._pointers("const int8_t *", "output", self.graph.outputs, plan),
        )
        return Network(
            tuple(self.kernels), tuple(self.constants), functions, self._declarations(size), size
        )

    # -- what emitters use

    def need(self, *names: str, bits: int | None = None) -> None:
        """Include kernels, each once."""
        for name in names:
            self.kernels.setdefault((name, bits))

    def constant(self, kind: str, suffix: str, values: npt.NDArray[Any]) -> str:
        """Define a constant array of this step; returns its name."""
        symbol = f"{self.prefix}layer{self.step}_{suffix}"
        unsigned = kind.startswith("u")
        texts = [_literal(int(v), unsigned) for v in values.ravel()]
        self.constants.append(
            f"static const {kind} {symbol}[{len(texts)}] = {{\n{_wrapped(texts)}\n}};\n"
        )
        return symbol

    def struct(self, kind: str, fields: dict[str, str | int], *, suffix: str = "") -> str:
        """Define a constant struct of this step; returns its name."""
        symbol = f"{self.prefix}layer{self.step}{suffix}"
        lines = ",\n".join(f"    .{key} = {value}" for key, value in fields.items())
        self.constants.append(f"static const {kind} {symbol} = {{\n{lines}\n}};\n")
        return symbol

    def new_output(self, operator: Operator, *, lead: int | None = None) -> Block:
        """A buffer for the output, which may follow ``lead`` bytes before a dying only input."""
        block = self._block(operator.output, first=self.step)
        self.home[operator.output] = block
        source = self.home[operator.inputs[0]]
        if lead is not None and source.last == self.step:
            self.overlaps.append(Overlap(source, block, lead))
        return block

    def output_in_place(self, operator: Operator) -> Block:
        """The buffer of an input that nobody needs any more, or a new one."""
        for tensor in operator.inputs:
            block = self.home[tensor]
            if block.last == self.step:
                return self.share(operator, block)
        return self.new_output(operator)

    def share(self, operator: Operator, block: Block) -> Block:
        """Let the output live in an input's buffer."""
        block.last = max(block.last, self.last_use[operator.output])
        self.home[operator.output] = block
        return block

    def scratch(self, what: str, size: int) -> Block:
        """Bytes for this step only."""
        block = Block(f"{what} of step {self.step}", aligned(size), self.step, self.step)
        self.blocks.append(block)
        return block

    def call(self, operator: Operator, text: str, *buffers: tuple[Block, str]) -> None:
        """Append a kernel call; ``buffers`` fill its ``{i}`` as "bytes" or "words" of the arena."""
        shapes = " and ".join(_shape(t) for t in operator.inputs)
        comment = (
            f"{type(operator).__name__} {in_comment(operator.output.name)}: "
            f"{shapes} -> {_shape(operator.output)}"
        )
        self.calls.append(Call(comment, text, buffers))

    # -- the rest

    def _last_uses(self) -> dict[Tensor, int]:
        uses = {tensor: 0 for tensor in self.graph.inputs}
        for step, operator in enumerate(self.graph.operators, start=1):
            uses[operator.output] = step
            for tensor in operator.inputs:
                uses[tensor] = step
        for tensor in self.graph.outputs:
            uses[tensor] = len(self.graph.operators) + 1
        return uses

    def _unclipped(self) -> set[Tensor]:
        """Tensors that may leave their grid: inputs, which nobody clips, and what moves them."""
        found = set(self.graph.inputs)
        for operator in self.graph.operators:
            if not isinstance(operator, Linear | Add) and found.intersection(operator.inputs):
                found.add(operator.output)
        return found

    def _block(self, tensor: Tensor, *, first: int) -> Block:
        block = Block(tensor.name, tensor.size, first, max(first, self.last_use[tensor]))
        self.blocks.append(block)
        return block

    def _declarations(self, arena: int) -> tuple[str, ...]:
        name, upper = self.name, self.name.upper()
        lines = [
            f"#define {upper}_ARENA_BYTES {arena}u",
            f"#define {upper}_INPUTS {len(self.graph.inputs)}u",
            f"#define {upper}_OUTPUTS {len(self.graph.outputs)}u",
        ]
        for kind, tensors in (("INPUT", self.graph.inputs), ("OUTPUT", self.graph.outputs)):
            for index, tensor in enumerate(tensors):
                prefix = f"{upper}_{kind}" if index == 0 else f"{upper}_{kind}_{index}"
                grid = tensor.grid
                lines += [
                    "",
                    f"/* {in_comment(tensor.name)}: {_shape(tensor)},",
                    f" * real value = (integer - {prefix}_ZERO_POINT) * 2^{prefix}_EXPONENT */",
                    f"#define {prefix}_SIZE {tensor.size}u",
                    f"#define {prefix}_ZERO_POINT ({grid.zero_point})",
                    f"#define {prefix}_EXPONENT ({grid.exponent})",
                    f"#define {prefix}_MINIMUM ({grid.minimum})",
                    f"#define {prefix}_MAXIMUM ({grid.maximum})",
                ]
        lines += [
            "",
            "/* Where an input is to be written; a null pointer past the last input. */",
            f"int8_t *{name}_input(uint32_t index);",
            "",
            "/* Computes all outputs from all inputs. */",
            f"void {name}_run(void);",
            "",
            "/* Where an output lies until the next run; a null pointer past the last output. */",
            f"const int8_t *{name}_output(uint32_t index);",
        ]
        return tuple(lines)

    def _run(self, plan: Plan) -> str:
        lines = [f"void {self.name}_run(void)", "{"]
        for call in self.calls:
            places = [_place(plan.offsets[block], view) for block, view in call.buffers]
            text = call.text.format(*places)
            lines += [f"    /* {call.comment} */", f"    {text}"]
        return "\n".join([*lines, "}", ""])

    def _pointers(self, kind: str, what: str, tensors: Sequence[Tensor], plan: Plan) -> str:
        lines = [f"{kind}{self.name}_{what}(uint32_t index)", "{", f"    {kind}place;", ""]
        lines.append("    switch (index) {")
        for index, tensor in enumerate(tensors):
            place = _place(plan.offsets[self.home[tensor]], "bytes")
            lines += [f"    case {index}u:", f"        place = {place};", "        break;"]
        lines += ["    default:", "        place = NULL;", "        break;", "    }"]
        return "\n".join([*lines, "    return place;", "}", ""])


def _place(offset: int, view: str) -> str:
    return f"&arena.words[{offset // 4}]" if view == "words" else f"&arena.bytes[{offset}]"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "1"


def _literal(value: int, unsigned: bool) -> str:
    if unsigned:
        return f"0x{value:08X}u"
    # The most negative int32 has no literal of its own.
    return "(-2147483647 - 1)" if value == _INT32_MIN else str(value)


def _wrapped(texts: Iterable[str]) -> str:
    lines, line = [], "   "
    for text in texts:
        if len(line) + len(text) + 2 > _COLUMNS:
            lines.append(line)
            line = "   "
        line += f" {text},"
    return "\n".join([*lines, line])
