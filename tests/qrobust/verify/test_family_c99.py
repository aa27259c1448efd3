"""Light and shift in C99 against `verify`: the same labels, the same first members that flip."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_compiler import compile_program
from firmware_model import classifier

from qrobust.certify import CertifyError
from qrobust.verify import FamilyOf, Problem, verify
from qrobust.verify.family_c99 import write_family
from tflite_export import c99 as tflite_c99
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.passes.tie_free import tie_free


@pytest.fixture(scope="module")
def made():
    graph = classifier()
    file = to_flatbuffer(tie_free(graph))
    rng = np.random.default_rng(2)
    contrast = np.linspace(0.1, 1, 60).reshape(-1, 1, 1, 1)
    x = (128 + contrast * rng.integers(-128, 128, (60, 6, 6, 1))).astype(np.uint8)
    x[::4] = rng.integers(0, 256, (15, 1, 1, 1)) + np.arange(6).reshape(1, 6, 1, 1) // 5  # calm
    return graph, file, Problem(file), x


def answers(made, family, folder, change=("", "")):
    """C's (label, predicted, members, member, found) of every picture, and its runs."""
    graph, file, _, x = made
    tflite_c99.write(graph, folder)
    write_family(file, folder, family)
    source = folder / "qrobust_families.c"
    assert change[0] in source.read_text()
    source.write_text(source.read_text().replace(*change, 1))
    runner = Path(__file__).with_name("family_runner.c")
    (folder / runner.name).write_text(runner.read_text())
    sources = [folder / name for name in (runner.name, "model.c", source.name)]
    program = compile_program(sources, folder / "runner")
    stream = (x.astype(np.int16) - 128).astype(np.int8).tobytes()
    done = subprocess.run([program], input=stream, capture_output=True, check=True)
    rows = np.frombuffer(done.stdout, "<i4").reshape(len(x), 7)
    assert not rows[:, 0].any()
    return [tuple(map(int, row)) for row in rows[:, [1, 2, 3, 5, 6]]], rows[:, 4]


def pythons(made, family):
    _, _, problem, x = made
    for image in x:
        outcome = verify(problem, image, FamilyOf(family))
        found = outcome.counterexample
        flipped = (-1, 0) if found is None else (found.member, found.label)
        yield (outcome.label, outcome.predicted, outcome.members, *flipped)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "family", ["light:20", "light:255", "shift:1", "shift:2:border=zero", "shift:3:border=wrap"]
)
def test_proofs_equal_pythons(made, family, tmp_path):
    expected = list(pythons(made, family))
    ours, runs = answers(made, family, tmp_path)
    assert ours == expected
    for (label, _, members, member, _), ran in zip(ours, runs, strict=True):
        assert ran == (members if label >= 0 else member + 1)
    assert any(label < 0 for label, *_ in ours)
    if family in ("light:20", "shift:1", "shift:3:border=wrap"):
        assert any(label >= 0 for label, *_ in ours)


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("light:20", ("(2u * bound) + 1u", "(2u * bound) - 1u")),  # the last two are left out
        ("light:20", ("value > inputs->high", "value > inputs->high + 1")),
        ("shift:1", ("(at < 0) ? 0 : (side - 1)", "(at < 0) ? 1 : (side - 1)")),
    ],
)
def test_planted_faults_are_noticed(made, family, change, tmp_path):
    assert answers(made, family, tmp_path, change)[0] != list(pythons(made, family))


def test_there_are_no_tables_and_the_header_says_what_is_proven(made, tmp_path):
    written = {path.name for path in write_family(made[1], tmp_path, "shift:2")}
    assert written == {
        *("proof_family.h", "qrobust_certify.h", "qrobust_words.h"),
        *("qrobust_families.c", "qrobust_families.h"),
    }
    assert "shift:2:border=edge: 25 members" in (tmp_path / "proof_family.h").read_text()


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("contrast:.8..1.25", "enumerates light and shift, not contrast"),
        ("light:2*shift:1", "enumerates light and shift"),
        ("shift:6", "from 1 to 5"),
        ("light:0", "from 1 to 255"),
    ],
)
def test_other_families_are_refused(made, family, words, tmp_path):
    with pytest.raises(CertifyError, match=words):
        write_family(made[1], tmp_path, family)
