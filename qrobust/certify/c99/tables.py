"""Tables for the C certifier: noise, votes to radius, a checksum; a few kilobytes of flash.

The C beside this module draws the same samples and gives the same radii as this
package. Its tables are 32-bit words:

======  ==========================================================================================
word    holds
======  ==========================================================================================
0       magic, "QRBC"
1       version of this layout, 1
2       number of words
3       CRC-32 of every other word, each least significant byte first
4, 5    coordinates of one input, classes
6, 7    least and greatest input integer, two's complement
8, 9    n of the radius table (0 for none), fewest votes that certify anything
10, 11  radius of those votes in Q16 LSB, nibbles of the radii that follow
12, 13  checkpoints of the sequential test (0 for none), its radius in Q16 LSB
14      the guide: 128 bytes, byte ``b`` counts thresholds whose top 16 bits are below ``256 b``
then    top 16 bits of the lower half of the thresholds, two a word
then    their other 64 bits, low word first
then    the radii: second differences, zigzag, in nibbles of three bits and a "more" bit
then    three words a checkpoint: samples, fewest votes that accept, most votes that give up
======  ==========================================================================================

The upper half of the thresholds is the mirror image of the lower one, ``2**80 - 1 - t``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text
from qrobust.certify.arithmetic.noise_table import (
    REFINEMENT_BITS,
    THRESHOLD_BITS,
    NoiseTable,
    noise_table,
)
from qrobust.certify.arithmetic.radius import RADIUS_BITS
from qrobust.certify.c99.view_tables import view_head
from qrobust.certify.file.model_file import Model, ModelFile, load_model
from qrobust.certify.file.smoothing_spec import SmoothingSpec, read_spec
from qrobust.certify.methods.tables import RadiusTable, SequentialTable
from tflite_export.atomic import write_text

MAGIC = 0x43425251
VERSION = 1
_LENGTH, _CHECKSUM = 2, 3
_GUIDE_BYTES = 128
#: The certifiers: of noise, of counted views, and proofs by exhaustion.
NOISE, VIEWS, FAMILIES = "qrobust_certify", "qrobust_views", "qrobust_families"
_SHARED = ("qrobust_certify.h", "qrobust_words.h")
_PER_LINE = 8


def write(
    model: Model,
    folder: str | Path,
    *,
    n: int | None = None,
    radius: Exact | None = None,
    alpha: Exact | None = None,
) -> list[Path]:
    """Write ``certifier_tables.h`` and ``.c``, and the certifier's own sources beside them.

    Args:
        model: a file with a smoothing spec that counts views, or holds a radius table, a
            sequential test, or both.
        folder: made where it is missing; files of the same names are replaced.
        n: which of the spec's radius tables; needed where it holds several.
        radius: which of its sequential tests, in LSB; needed where it holds several.
        alpha: of both; needed where n or radius leave several.

    Returns:
        The files.

    Raises:
        CertifyError: no spec, no such table, or an input that is not int8.
    """
    return write_files(folder, certifier_files(load_model(model), n=n, radius=radius, alpha=alpha))


def certifier_files(
    file: ModelFile,
    *,
    n: int | None = None,
    radius: Exact | None = None,
    alpha: Exact | None = None,
) -> dict[str, str]:
    """Return what `write` writes for a checked file or bundle: name -> text."""
    spec = read_spec(file.content)
    if spec is None:
        raise CertifyError("the file has no smoothing spec; attach one with a radius table")
    if spec.counting is not None and (n, radius, alpha) != (None, None, None):
        raise CertifyError(
            f"the file counts {spec.noise}; n, radius and alpha choose tables of noise"
        )
    level = None if alpha is None else rational(alpha, "alpha")
    table, test = _choose_table(spec, n, level), _choose_test(spec, radius, level)
    if level is not None and table is None and test is None:
        raise CertifyError(
            f"no radius table and no sequential test has alpha={text(level)}; the smoothing spec "
            f"holds {_tables_held(spec)} and {_tests_held(spec)}"
        )
    if spec.counting is None:
        words = table_words(
            spec, coordinates=file.coordinates, classes=file.classes, table=table, test=test
        )
    else:
        words = view_words(spec, shape=file.shape, classes=file.classes)
    sources = certifier_sources(NOISE if spec.counting is None else VIEWS)
    return {**sources, **_tables_source(words, spec, table, test)}


def write_files(folder: str | Path, files: Mapping[str, str]) -> list[Path]:
    """Write texts by their names into a folder, which is made where it is missing."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_text(folder / name, content)
    return [folder / name for name in sorted(files)]


def table_words(
    spec: SmoothingSpec,
    *,
    coordinates: int,
    classes: int,
    table: RadiusTable | None = None,
    test: SequentialTable | None = None,
) -> list[int]:
    """Return the tables as 32-bit words, checksum included.

    Args:
        spec: noise and input grid.
        coordinates: numbers in one input.
        classes: outputs of the network.
        table: votes to radius.
        test: a sequential test.

    Raises:
        CertifyError: an input that is not int8, noise that is not symmetric, or nothing to
            certify with.
    """
    grid = spec.grid
    if grid.dtype != "int8":
        raise CertifyError(f"the C certifier takes int8 inputs, this file has {grid.dtype}")
    if table is None and test is None:
        raise CertifyError(
            "the smoothing spec holds no radius table and no sequential test; attach one that does"
        )
    if spec.sigma is None:
        raise CertifyError(f"{spec.noise} are counted, they have no tables of noise")
    noise = noise_table(spec.noise, spec.sigma, grid.span)
    radii = table.radii if table else ()
    nibbles = radius_nibbles(radii)
    checkpoints = test.test.checkpoints if test else ()
    stops = [part for c in checkpoints for part in (c.n, c.accept, c.give_up)]
    head = [
        *(MAGIC, VERSION, 0, 0, coordinates, classes, grid.tensor_low, grid.tensor_high),
        *((table.n, table.least_votes, radii[0]) if table else (0, 0, 0)),
        *(len(nibbles), len(checkpoints)),
        int(test.radius * (1 << RADIUS_BITS)) if test else 0,
    ]
    words = [w & 0xFFFFFFFF for w in [*head, *_noise_words(noise), *_packed(nibbles, 4), *stops]]
    words[_LENGTH] = len(words)
    words[_CHECKSUM] = checksum(words)
    return words


def view_words(spec: SmoothingSpec, *, shape: tuple[int, ...], classes: int) -> list[int]:
    """Return the tables of a spec that counts views as 32-bit words, checksum included."""
    words = view_head(spec, shape=shape, classes=classes)
    words[_CHECKSUM] = checksum(words)
    return words


def certifier_sources(kind: str | None = None) -> dict[str, str]:
    """Return C files: name -> text.

    Args:
        kind: `NOISE`, `VIEWS` or `FAMILIES`: what that certifier needs; all files by default.
    """
    files = resources.files(__package__)
    needed = None if kind is None else (*_SHARED, f"{kind}.c", f"{kind}.h")
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in sorted(files.iterdir(), key=lambda file: file.name)
        if file.name.endswith((".c", ".h")) and (needed is None or file.name in needed)
    }


def checksum(words: list[int]) -> int:
    """CRC-32 of every word but the checksum's own."""
    kept = [word for i, word in enumerate(words) if i != _CHECKSUM]
    return zlib.crc32(struct.pack(f"<{len(kept)}I", *kept))


def radius_nibbles(radii: tuple[int, ...]) -> list[int]:
    """The radii after the first as nibbles: zigzag second differences, three bits at a time."""
    steps = [b - a for a, b in zip(radii, radii[1:], strict=False)]
    changes = [b - a for a, b in zip([0, *steps], steps, strict=False)]
    nibbles = []
    for change in changes:
        value = 2 * change if change >= 0 else -2 * change - 1
        while value >= 8:
            nibbles.append(value & 7 | 8)
            value >>= 3
        nibbles.append(value)
    return nibbles


def _noise_words(noise: NoiseTable) -> list[int]:
    lower, upper = noise.thresholds[: noise.span], noise.thresholds[noise.span :]
    last = (1 << THRESHOLD_BITS) - 1
    if any(last - t != mirror for t, mirror in zip(lower, reversed(upper), strict=True)):
        raise CertifyError(f"the C certifier takes symmetric noise, {noise.kind} is not")
    tops = [t >> REFINEMENT_BITS for t in lower]
    rests = [t & ((1 << REFINEMENT_BITS) - 1) for t in lower]
    guide = [sum(top < byte << 8 for top in tops) for byte in range(_GUIDE_BYTES)]
    halves = [part for rest in rests for part in (rest & 0xFFFFFFFF, rest >> 32)]
    return [*_packed(guide, 8), *_packed(tops, 16), *halves]


def _packed(values: list[int], bits: int) -> list[int]:
    """Values in 32-bit words, the first in the lowest bits."""
    per_word = 32 // bits
    return [
        sum(value << bits * i for i, value in enumerate(values[start : start + per_word]))
        for start in range(0, len(values), per_word)
    ]


def _choose_table(spec: SmoothingSpec, n: int | None, alpha: Fraction | None) -> RadiusTable | None:
    found = [t for t in spec.tables if n in (None, t.n) and alpha in (None, t.alpha)]
    if len(found) == 1 or (n is None and not found):
        return found[0] if found else None
    wanted = "one radius table" if n is None else f"one radius table with n={n}"
    raise CertifyError(_choice(wanted, found, n, "n", alpha, _tables_held(spec)))


def _choose_test(
    spec: SmoothingSpec, radius: Exact | None, alpha: Fraction | None
) -> SequentialTable | None:
    at = None if radius is None else rational(radius, "the radius")
    found = [t for t in spec.tests if at in (None, t.radius) and alpha in (None, t.alpha)]
    if len(found) == 1 or (at is None and not found):
        return found[0] if found else None
    wanted = "one sequential test" if at is None else f"one sequential test at radius {text(at)}"
    raise CertifyError(_choice(wanted, found, at, "radius", alpha, _tests_held(spec)))


def _choice(
    wanted: str, found: list[Any], chosen: Any, key: str, alpha: Fraction | None, held: str
) -> str:
    """What a spec holds of what is wanted, and what would choose."""
    asked = wanted if alpha is None else f"{wanted} of alpha={text(alpha)}"
    keys = [name for name, value in ((key, chosen), ("alpha", alpha)) if value is None]
    hint = f"; say which {' or '.join(keys)}" if found and keys else ""
    return f"need {asked}{hint}; the smoothing spec holds {held}"


def _tables_held(spec: SmoothingSpec) -> str:
    return _held([f"n={t.n}" for t in spec.tables], spec.tables)


def _tests_held(spec: SmoothingSpec) -> str:
    return _held([f"radius {text(t.radius)}" for t in spec.tests], spec.tests)


def _held(names: list[str], tables: Sequence[RadiusTable | SequentialTable]) -> str:
    """Names of tables, with alpha where names are alike."""
    if len(set(names)) < len(names):
        names = [f"{name} alpha={text(t.alpha)}" for name, t in zip(names, tables, strict=True)]
    return ", ".join(names) or "none"


def _tables_source(
    words: list[int],
    spec: SmoothingSpec,
    table: RadiusTable | None,
    test: SequentialTable | None,
) -> dict[str, str]:
    lines = [
        "    " + ", ".join(f"0x{word:08X}u" for word in words[i : i + _PER_LINE]) + ","
        for i in range(0, len(words), _PER_LINE)
    ]
    contents = [f"{4 * len(words)} bytes."]
    if spec.counting is not None:
        contents.append("Views: {} of size {}, least margin {}.".format(spec.noise, *spec.counting))
    elif spec.sigma is not None:
        contents.append(f"Noise {spec.noise}, sigma {text(spec.sigma)} input steps.")
    if table:
        contents.append(f"Radii for n = {table.n}, alpha = {text(table.alpha)}.")
    if test:
        most = test.test.checkpoints[-1].n
        contents.append(
            f"Sequential test at radius {text(test.radius)}, n up to {most}, alpha = "
            f"{text(test.alpha)}."
        )
    comment = "\n * ".join(contents)
    header = f"""\
/* Tables of the certifier, generated by qrobust.certify.c99.tables. Do not edit.
 *
 * {comment} */
#ifndef CERTIFIER_TABLES_H
#define CERTIFIER_TABLES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define CERTIFIER_TABLES_WORDS {len(words)}u

extern const uint32_t certifier_tables[CERTIFIER_TABLES_WORDS];

#ifdef __cplusplus
}}
#endif

#endif /* CERTIFIER_TABLES_H */
"""
    source = (
        '#include "certifier_tables.h"\n\n'
        "const uint32_t certifier_tables[CERTIFIER_TABLES_WORDS] = {\n"
        + "\n".join(lines)
        + "\n};\n"
    )
    return {"certifier_tables.h": header, "certifier_tables.c": source}
