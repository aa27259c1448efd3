"""Ways to damage an input: bytes, JSON values, TOML values."""

import json
import re
from copy import deepcopy

#: Values that broke readers before, here or elsewhere.
NASTY = (
    None, True, False, -1, 0, 1, 2, 255, 2**31, 2**63, 2**64, -(2**63), 10**50, 10**4000,
    0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"),
    "", "0", "-1", "1e999999999", "1e-9999999", "1/3", "1/0", "nan", "Infinity", "0x10", "1_0",
    "\uff11\uff12", " 1", "1" * 5000, "a" * 10_000, "\x1b[2J\x1b]0;title\x07", "\u202egnp",
    "\ud800", "a\nb\r\nc", "<script>", "os:system", "../../etc/passwd", "https://example.org/a",
    [], {}, [[]], [0] * 5000, {"": ""}, {"version": 1},
)  # fmt: skip


def damaged_bytes(data, rng):
    """Flip, set, insert, delete, repeat or cut; a few times."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        place = rng.randrange(len(data))
        match rng.randrange(7):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2:
                width = rng.choice((2, 4, 8))
                number = rng.choice((0, 1, -1, 2 ** (8 * width - 1) - 1, rng.randrange(1 << 16)))
                data[place : place + width] = number.to_bytes(width, "little", signed=number < 0)
            case 3:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                del data[place : place + rng.randrange(1, 9)]
            case 5:
                end = place + rng.randrange(1, 64)
                data[place:place] = data[place:end]
            case 6 if rng.random() < 0.1:
                del data[place:]
    return bytes(data)


def damaged_words(data, rng, start=8):
    """Change whole little-endian words past ``start``, where a flatbuffer keeps its structure."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        width = rng.choice((1, 2, 4))
        place = rng.randrange(start, len(data) - width) // width * width
        old = int.from_bytes(data[place : place + width], "little")
        new = rng.choice(
            (old + 1, old - 1, old * 2, 0, 1, (1 << (8 * width)) - 1, rng.getrandbits(16))
        )
        data[place : place + width] = (new % (1 << (8 * width))).to_bytes(width, "little")
    return bytes(data)


def damaged_json(value, rng):
    """A copy of a JSON value with one or more of its parts changed, dropped, doubled or moved."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holders = list(_holders(value))
        if not holders:
            break
        holder = rng.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = rng.choice(keys)
        match rng.randrange(6):
            case 0 | 1 | 2:
                holder[key] = deepcopy(rng.choice(NASTY))
            case 3:
                del holder[key]
            case 4:
                other = rng.choice(holders)
                others = list(other) if isinstance(other, dict) else list(range(len(other)))
                if others:
                    holder[key] = json.loads(json.dumps(other[rng.choice(others)]))
            case 5 if isinstance(holder, dict):
                name = rng.choice(("extra", "chain", "version", ""))
                holder[name] = deepcopy(rng.choice(NASTY))
            case 5:
                holder.append(deepcopy(rng.choice(NASTY)))
    return value


def _holders(value):
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def dumped(value, rng):
    """JSON as strange writers write it: deep, doubled keys, NaN, escapes or none."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.8)
    if rng.random() < 0.02:
        text = "[" * 100_000 + text
    if rng.random() < 0.05 and text.startswith("{") and len(text) > 2:
        text = text[:-1] + "," + text[1:]
    return text.encode(errors="surrogatepass")


_TOML_VALUE = re.compile(r"(?<== )(\"[^\"\n]*\"|[^\s,{}\[\]]+)")
TOML_NASTY = (
    "nan", "-nan", "inf", "-inf", "-1", "0", "1e400", "1e-400", "99999999999999999999", "true",
    '""', '"2"', '"nan"', '"os:system"', '"https://example.org/a"', '"../../a"', "[]", "{}",
    "[nan, inf]", '{ "*" = 99 }', "{ 0 = -1 }", "1979-05-27", '"\\u001b[2J"', '"\\uFFFE"',
    "0x7fffffffffffffff", '"' + "a" * 5000 + '"', "[" * 50 + "]" * 50, "4", "2", '"binary"',
)  # fmt: skip


def damaged_toml(text, rng):
    """Change values, drop or double lines."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        values = list(_TOML_VALUE.finditer(text))
        if values and rng.random() < 0.8:
            found = rng.choice(values)
            text = text[: found.start()] + rng.choice(TOML_NASTY) + text[found.end() :]
            continue
        lines = text.splitlines(keepends=True)
        place = rng.randrange(len(lines))
        match rng.randrange(3):
            case 0:
                del lines[place]
            case 1:
                lines.insert(place, rng.choice(lines))
            case 2:
                lines.insert(place, f"extra = {rng.choice(TOML_NASTY)}\n")
        text = "".join(lines)
    return text
