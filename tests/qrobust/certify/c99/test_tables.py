"""The C certifier against the Python one: draws, radii, and what it refuses."""

import re
import struct
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from c_compiler import compile_program

from qrobust.certify import CertifyError, c99
from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import AMBIGUOUS, noise_table
from qrobust.certify.arithmetic.streams import WindowLayout, raw_words
from qrobust.certify.file.smoothing_spec import SmoothingSpec
from qrobust.certify.methods.sequential import Checkpoint, SequentialTest
from qrobust.certify.methods.tables import RadiusTable, SequentialTable
from qrobust.certify.smoothings.input_grid import InputGrid

GRID = InputGrid("int8", 1.0, -128)
# Steep at the end, as real tables are.
RADII = RadiusTable(
    90, Fraction(1, 1000), 20, tuple(int(1e5 * v + 3e7 / (91 - v)) for v in range(20, 91))
)
BAD_TABLES = 1


@dataclass(frozen=True)
class Answer:
    status: int
    noise: np.ndarray | None = None
    radii: tuple[int, ...] = ()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certifier")
    for name, text in c99.certifier_sources().items():
        (folder / name).write_text(text)
    runner = Path(__file__).with_name("certifier_runner.c")
    copied = folder / runner.name
    copied.write_text(runner.read_text())
    return compile_program([copied, folder / "qrobust_certify.c"], folder / "runner")


def ask(program, records):
    """Open tables, draw sample (seed, image, purpose, sample), read radii: one answer a record."""
    stream = b"".join(
        struct.pack(f"<I{len(words)}I4Q", len(words), *words, *numbers)
        for words, numbers in records
    )
    done = subprocess.run([program], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers, at = [], 0
    for _ in records:
        (status,) = struct.unpack_from("<I", done.stdout, at)
        at += 4
        if status:
            answers.append(Answer(status))
            continue
        (kept,) = struct.unpack_from("<I", done.stdout, at)
        noise = np.frombuffer(done.stdout, np.int8, kept, at + 4)
        radii = struct.unpack_from("<64q", done.stdout, at + 4 + kept)
        at += 4 + kept + 64 * 8
        answers.append(Answer(0, noise, radii))
    assert at == len(done.stdout)
    return answers


def words_of(sigma="64", coordinates=64, noise="rounded_gaussian", table=RADII, test=None):
    spec = SmoothingSpec(Fraction(sigma), GRID, noise=noise)
    return c99.table_words(spec, coordinates=coordinates, classes=10, table=table, test=test)


def with_checksum(words):
    words = list(words)
    words[3] = c99.checksum(words)
    return words


@pytest.mark.ordinary(8)
@pytest.mark.parametrize("sigma", ["0.25", "1", "30.6", "64", "300"])
@pytest.mark.parametrize("coordinates", [1, 17, 300])
def test_the_same_draws(program, sigma, coordinates):
    words = words_of(sigma, coordinates)
    seed, image = 2**64 - 5, 2**63 + 11
    sampler = NoiseSampler(noise_table("rounded_gaussian", Fraction(sigma), 255), coordinates)
    for purpose, start in ((0, 0), (1, 2**33 + 5), (2, 7)):
        count = 40
        records = [(words, (seed, image, purpose, start + i)) for i in range(count)]
        drawn = np.stack([answer.noise for answer in ask(program, records)])
        expected = np.clip(sampler.noise((seed, image), purpose, start, count), -128, 127)
        np.testing.assert_array_equal(drawn, expected)


def test_refinement_past_the_reserve(program):
    coordinates, seed, count = 255, 3, 80  # the most that a reserve of 4 words serves
    table = noise_table("rounded_gaussian", Fraction(64), 255)
    layout = WindowLayout(coordinates)
    windows = raw_words((seed, 1), 1, 0, count * layout.window).reshape(count, -1)
    draws = windows[:, : layout.main].copy().view("<u2")[:, :coordinates]
    ambiguous = (table.lookup[draws] < AMBIGUOUS).sum(axis=1)
    assert ambiguous.max() > layout.reserve
    records = [(words_of("64", coordinates), (seed, 1, 1, i)) for i in range(count)]
    drawn = np.stack([answer.noise for answer in ask(program, records)])
    expected = NoiseSampler(table, coordinates).noise((seed, 1), 1, 0, count)
    np.testing.assert_array_equal(drawn, np.clip(expected, -128, 127))


def test_thresholds_of_zero(program):
    """They leave word 0 settled and its mirror image ambiguous."""
    table = noise_table("rounded_gaussian", Fraction("0.05"), 255)
    sampler = NoiseSampler(table, 5000)
    records = [(words_of("0.05", 5000), (3, 1, 1, i)) for i in range(80)]
    drawn = np.stack([answer.noise for answer in ask(program, records)])
    np.testing.assert_array_equal(drawn, np.clip(sampler.noise((3, 1), 1, 0, 80), -128, 127))


def test_the_same_radii(program):
    (answer,) = ask(program, [(words_of(), (0, 0, 0, 0))])
    assert answer.radii == tuple(RADII.radius_q16(RADII.n - i) for i in range(64))


def test_abstains_below_the_table(program):
    table = RadiusTable(70, Fraction(1, 1000), 60, tuple(range(11)))
    (answer,) = ask(program, [(words_of(table=table), (0, 0, 0, 0))])
    assert answer.radii[:12] == (*range(10, -1, -1), -1)


def test_tables_are_small():
    noise_bytes = 4 * (len(words_of()) - len(c99.radius_nibbles(RADII.radii)) // 8)
    assert noise_bytes < 3000


def test_no_state_no_heap_no_library(tmp_path):
    """Nothing but constants and code, and of the C library what <string.h> declares."""
    for name, text in c99.certifier_sources().items():
        (tmp_path / name).write_text(text)
    flags = ["-std=c99", "-O2", "-fno-stack-protector", "-ffreestanding", "-c"]
    target = compile_program([tmp_path / "qrobust_certify.c"], tmp_path / "c.o", flags)
    listed = subprocess.run(["nm", target], capture_output=True, text=True, check=True).stdout
    symbols = [(line.split()[-2], line.split()[-1]) for line in listed.splitlines()]
    assert {name for kind, name in symbols if kind == "U"} <= {"memset", "memcpy"}
    assert {kind for kind, _ in symbols} <= {"U", "T", "t", "r", "R"}
    source = (tmp_path / "qrobust_certify.c").read_text()
    assert not re.search(r"\b(float|double|malloc|free)\b", source)
    assert re.findall(r"#include <(.*)>", source) == ["string.h"]


def test_every_changed_bit_is_noticed(program):
    words = words_of()
    rng = np.random.default_rng(0)
    records = []
    for at in range(len(words)):
        damaged = list(words)
        damaged[at] ^= 1 << int(rng.integers(32))
        records.append((damaged, (0, 0, 0, 0)))
    assert {answer.status for answer in ask(program, records)} == {BAD_TABLES}


def test_cut_off_tables_are_refused(program):
    words = words_of()
    records = [(words[:length], (0, 0, 0, 0)) for length in (0, 1, 4, 13, 14, len(words) - 1)]
    records.append((words + [0], (0, 0, 0, 0)))
    assert {answer.status for answer in ask(program, records)} == {BAD_TABLES}


def test_tables_damaged_on_purpose_do_no_harm(program):
    """With the checksum put right again, what is accepted still reads no byte that is not there.

    The program runs under the address and undefined-behaviour sanitizers.
    """
    words = words_of()
    rng = np.random.default_rng(1)
    records = []
    for _ in range(1500):
        damaged = list(words)
        for at in rng.choice([*range(4, 14)] * 30 + [*range(14, len(words))], rng.integers(1, 4)):
            small = int(rng.integers(-2, 300))
            damaged[at] = small % 2**32 if rng.random() < 0.7 else int(rng.integers(2**32))
        records.append((with_checksum(damaged), (1, 2, 1, int(rng.integers(2**40)))))
    statuses = [answer.status for answer in ask(program, records)]
    assert 20 < statuses.count(0) < 1450  # both kinds were tried


def a_test(radius="20"):
    checkpoints = (Checkpoint(32, 33, -1), Checkpoint(64, 60, 20), Checkpoint(90, 70, 50))
    level = Fraction(1, 1000)
    return SequentialTable(Fraction(radius), level, SequentialTest(2**47, level, checkpoints))


def test_a_sequential_test_travels(program):
    words = words_of(test=a_test())
    assert words[12:14] == [3, 20 << 16]
    assert words[-9:] == [32, 33, 2**32 - 1, 64, 60, 20, 90, 70, 50]
    unordered = list(words)
    unordered[-3] = 64
    answers = ask(program, [(w, (0, 0, 0, 0)) for w in (words, with_checksum(unordered))])
    assert [answer.status for answer in answers] == [0, BAD_TABLES]


def test_what_the_c_cannot_do_is_said():
    with pytest.raises(CertifyError, match="takes int8 inputs, this file has uint8"):
        spec = SmoothingSpec(Fraction(64), InputGrid("uint8", 1.0, 0))
        c99.table_words(spec, coordinates=4, classes=2, table=RADII)
    with pytest.raises(CertifyError, match="no radius table and no sequential test"):
        c99.table_words(SmoothingSpec(Fraction(64), GRID), coordinates=4, classes=2)


def test_every_certifier_is_one_source_with_its_header_and_what_they_share():
    shared = ["qrobust_certify.h", "qrobust_words.h"]
    for kind in (c99.NOISE, c99.VIEWS, c99.FAMILIES):
        expected = sorted({f"{kind}.c", f"{kind}.h", *shared})
        assert list(c99.certifier_sources(kind)) == expected
    assert len(c99.certifier_sources()) == 7
