"""The C of the kernels: package data, some of it written for a width of weights."""

from functools import lru_cache
from importlib import resources
from string import Template

from tflite_export.c99.pack import WORD_BITS, field_of


@lru_cache
def kernel(name: str, bits: int | None = None) -> str:
    """Return a kernel's C.

    Args:
        name: of the file in ``sources/``, without its ending.
        bits: width of the weights' fields, for a kernel that unrolls one word of them.
    """
    file = resources.files(__package__).joinpath("sources", f"{name}.c")
    text = file.read_text(encoding="utf-8")
    if bits is None:
        return text
    fields = WORD_BITS // bits
    half = fields // 2
    return Template(text).substitute(
        bits=bits,
        fields=fields,
        span=2 * fields,
        halfspan=half,
        half=1 << (bits - 1),
        signs=f"0x{sum(1 << (bits * i + bits - 1) for i in range(fields)):08X}",
        steps="\n".join(_STEPS[name](bits)),
        dsp_steps="\n".join(_dsp_steps(bits)),
    )


def _field(word: str, index: int, bits: int) -> str:
    """C for the sign-extended ``index``-th weight of a word."""
    left = WORD_BITS - bits * (field_of(index, bits) + 1)
    moved = f"({word} << {left})" if left else word
    return f"((int32_t){moved} >> {WORD_BITS - bits})"


def _pair_steps(bits: int) -> list[str]:
    lines = []
    for i in range(WORD_BITS // bits):
        lines += [f"x0 = x[{2 * i}];", f"x1 = x[{2 * i + 1}];"]
        for channel in "ab":
            lines += [
                f"w = (uint32_t){_field(f'w{channel}', i, bits)};",
                f"{channel}0 += x0 * w;",
                f"{channel}1 += x1 * w;",
            ]
        lines.append("KEEP_SUMS(a0, a1, b0, b1);")
    return [" " * 16 + line for line in lines]


def _dot_steps(bits: int) -> list[str]:
    lines = []
    for i in range(WORD_BITS // bits // 2):
        lines += [
            f"low = (int32_t)(int16_t)(x[{i}] & 0xFFFFu);",
            f"high = (int32_t)x[{i}] >> 16;",
        ]
        for channel in "ab":
            word = f"w{channel}"
            lines += [
                f"{channel} += low * {_field(word, 2 * i, bits)};",
                f"{channel} += high * {_field(word, 2 * i + 1, bits)};",
            ]
    return [" " * 16 + line for line in lines]


def _dsp_steps(bits: int) -> list[str]:
    mask = f"0x{((1 << bits) - 1) * 0x10001:08X}u"
    lines = []
    for i in range(WORD_BITS // bits // 2):
        for channel in "ab":
            moved = f"(w{channel} >> {bits * i})" if i else f"w{channel}"
            lines += [
                f"pair = (int16x2_t)({moved} & {mask});",
                f"{channel} = __smlad((int16x2_t)x[{i}], pair, {channel});",
            ]
    return [" " * 16 + line for line in lines]


_STEPS = {"pairs": _pair_steps, "dot": _dot_steps}
