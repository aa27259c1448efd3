"""The C certifier that counts views against the Python one, and what it refuses."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_compiler import compile_program

from qrobust.certify import Certifier, CertifyError, c99, read_spec
from qrobust.certify.file.smoothing_spec import SmoothingSpec
from qrobust.certify.smoothings.input_grid import InputGrid
from tflite_export import c99 as tflite_c99
from tflite_export.read import read_graph

from ..counting_files import counting_file

LARGEST, OK, BAD_TABLES, BAD_REQUEST = 2**32 - 1, 0, 1, 2
DECISIONS = ("certified", "abstained", "gave_up")
CASES = {
    "splits": {},
    "more_splits_than_values": {"kind": "splits", "size": 700, "threshold": 0},
    "bands": {},
    "blocks": {},
    "ablation": {},
    "wide_bands": {"kind": "bands", "size": 4, "threshold": 30},
}


def file_of(case):
    options = dict(CASES[case])
    return counting_file(options.pop("kind", case), **options)


def program_of(file, folder, change=("", "")):
    """Network, certifier and runner; ``change`` is a fault planted in the certifier."""
    tflite_c99.write(read_graph(file), folder)
    c99.write(file, folder)
    certifier = folder / "qrobust_views.c"
    assert change[0] in certifier.read_text()
    certifier.write_text(certifier.read_text().replace(*change, 1))
    runner = Path(__file__).with_name("views_runner.c")
    (folder / runner.name).write_text(runner.read_text())
    sources = [folder / name for name in (runner.name, "model.c", "qrobust_views.c")]
    return compile_program(sources, folder / "runner")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Program of every network, by whether its input has one channel or two."""
    programs = {}

    def build(case):
        file = file_of(case)
        channels = 1 if "splits" in case else 2
        if channels not in programs:
            programs[channels] = program_of(file, tmp_path_factory.mktemp("views"))
        return file, programs[channels]

    return build


def words_of(file, shape, classes=3):
    return c99.view_words(read_spec(file), shape=shape, classes=classes)


def ask(program, words, records, classes=3):
    """Status of the tables, and one (status, numbers, votes) for each (wanted, image)."""
    stream = struct.pack(f"<I{len(words)}I", len(words), *words)
    stream += b"".join(struct.pack("<I", wanted) + image.tobytes() for wanted, image in records)
    done = subprocess.run([program], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    opened, at, answers = struct.unpack_from("<I", done.stdout)[0], 4, []
    while at < len(done.stdout):
        (said,) = struct.unpack_from("<I", done.stdout, at)
        at += 4
        numbers, votes = (), ()
        if said == OK:
            numbers = struct.unpack_from("<5i", done.stdout, at)
            votes = struct.unpack_from(f"<{classes}I", done.stdout, at + 20)
            at += 20 + 4 * classes
        answers.append((said, numbers, votes))
    return opened, answers


def differing(file, program, case):
    """How many certificates are not Python's, of 60 pictures at five radii, and Python's own."""
    splits = "splits" in case
    shape = (4, 5, 1 if splits else 2)
    x = np.random.default_rng(6).integers(0, 256, (60, 4, 5, 1)).astype(np.uint8)
    x[:20] = x[:20] // 64 * 85  # ties between classes are common there
    wanted = [None, 0, 1, 5, 150] if splits else [None, 0, 1, 2, 4]
    with Certifier(file, threads=1, trusted=True) as certifier:
        pythons = [(r, c, certifier.certify(c, radius=r)) for r in wanted for c in x]
    records = [
        (LARGEST if radius is None else radius, (image.astype(np.int16) - 128).astype(np.int8))
        for radius, image, _ in pythons
    ]
    opened, answers = ask(program, words_of(file, shape), records)
    assert opened == OK and len(answers) == len(pythons) == 300
    expected = [
        (OK, (DECISIONS.index(c.decision), c.label, c.candidate, c.radius_q16, c.n), c.votes)
        for _, _, c in pythons
    ]
    return sum(a != b for a, b in zip(answers, expected, strict=True)), [c for *_, c in pythons]


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("case", CASES)
def test_certificates_equal_pythons(case, built):
    differ, pythons = differing(*built(case), case)
    assert differ == 0
    assert {c.decision for c in pythons} >= {"certified", "gave_up"}


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("splits", ("((i < best) ? 1u : 0u)", "0u")),  # the rule for ties
        ("splits", ("0x73706C697473u", "0x73706C697474u")),  # whose shifts
        ("bands", ("(views->high - pixel[c])", "(views->high - pixel[c] - 1)")),
        ("ablation", ("0x61626C617465u", "0x61626C617466u")),
    ],
)
def test_planted_faults_are_noticed(case, change, tmp_path):
    file = counting_file(case)
    assert differing(file, program_of(file, tmp_path, change), case)[0] > 0


def test_tables_are_52_bytes_and_say_so(tmp_path):
    file = counting_file("blocks")
    written = {path.name for path in c99.write(file, tmp_path)}
    assert written == {
        *("certifier_tables.c", "certifier_tables.h", "qrobust_certify.h"),
        *("qrobust_views.c", "qrobust_views.h", "qrobust_words.h"),
    }
    header = (tmp_path / "certifier_tables.h").read_text()
    assert "52 bytes" in header and "blocks of size 2, least margin 1" in header
    assert "CERTIFIER_TABLES_WORDS 13u" in header


def test_a_patch_that_does_not_fit_is_refused(built):
    file, program = built("bands")
    image = np.zeros((4, 5, 1), np.int8)
    _, answers = ask(program, words_of(file, (4, 5, 2)), [(5, image), (4, image)])
    assert [said for said, _, _ in answers] == [BAD_REQUEST, OK]


def test_every_changed_bit_is_noticed_and_bad_heads_are_refused(built):
    file, program = built("bands")
    words, rng = words_of(file, (4, 5, 2)), np.random.default_rng(0)
    assert ask(program, words, [])[0] == OK
    for at in range(len(words)):
        damaged = list(words)
        damaged[at] ^= 1 << int(rng.integers(32))
        assert ask(program, damaged, [])[0] == BAD_TABLES
    # With the checksum put right again: kind, size, threshold, classes, sides, grid.
    for at, value in ((4, 4), (5, 0), (5, 5), (6, 256), (7, 1), (8, 0), (9, 2**31), (11, 127)):
        damaged = list(words)
        damaged[at] = value
        damaged[3] = c99.checksum(damaged)
        assert ask(program, damaged, [])[0] == BAD_TABLES, (at, value)
    for cut in (words[:-1], [*words, 0], []):
        assert ask(program, cut, [])[0] == BAD_TABLES


def test_what_the_c_cannot_do_is_said(tmp_path):
    grid = InputGrid("uint8", 1.0, 0)
    with pytest.raises(CertifyError, match="takes int8 inputs, this file has uint8"):
        spec = SmoothingSpec(None, grid, noise="splits", counting=(8, 0))
        c99.view_words(spec, shape=(4, 5, 1), classes=3)
    with pytest.raises(CertifyError, match="drawn, not counted"):
        c99.view_words(SmoothingSpec(64, InputGrid("int8", 1.0, -128)), shape=(4,), classes=3)
    with pytest.raises(CertifyError, match="counts splits; n, radius and alpha choose"):
        c99.write(counting_file("splits"), tmp_path, n=100)
