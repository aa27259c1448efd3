"""The C sources under the sanitizers: the committed corpus, and two seconds of libFuzzer."""

import re

import pytest

from tests.fuzz import run_c
from tests.fuzz.c_programs import CORPUS, PLANTS, PROGRAMS, build, fuzzing_clang, replayed
from tests.helpers.c_compiler import needs_compiler

NETWORKS = 2  # each is compiled; the long run has more


@pytest.fixture
def clang():
    if fuzzing_clang() is None:
        pytest.skip(run_c.NO_CLANG)


def corpus(name):
    files = sorted((CORPUS / name).iterdir())
    assert files
    return files


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_corpus_passes_without_libfuzzer(name, tmp_path):
    compiler = needs_compiler()
    options = {"compiler": compiler, "fuzzer": False, "networks": NETWORKS}
    assert replayed(build(PROGRAMS[name], tmp_path, **options), corpus(name)) == ""


def test_the_corpus_finds_a_planted_fault(tmp_path):
    """A table's length is believed: a read behind its end, with any compiler."""
    options = {"compiler": needs_compiler(), "fuzzer": False, "networks": NETWORKS}
    name = PLANTS["believed-length"][0]
    program = build(PROGRAMS[name], tmp_path, **options, plant="believed-length")
    assert "heap-buffer-overflow" in replayed(program, corpus(name))


@pytest.mark.ordinary(1)
@pytest.mark.usefixtures("clang")
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_found(name, tmp_path):
    found = run_c.fuzz(name, 2, tmp_path, networks=NETWORKS)
    assert found.finding == ""
    assert found.inputs >= len(corpus(name)) and found.edges > 100


@pytest.mark.ordinary(1)
@pytest.mark.usefixtures("clang")
@pytest.mark.parametrize(
    ("plant", "words"),
    [("believed-length", "heap-buffer-overflow"), ("past-the-arena", "index .* out of bounds")],
)
def test_planted_reads_out_of_bounds_are_found(plant, words, tmp_path):
    """In the certifier's tables and in a network's arena."""
    found = run_c.fuzz(PLANTS[plant][0], 20, tmp_path, networks=NETWORKS, plant=plant)
    assert re.search(words, found.finding)
    assert list(tmp_path.glob("crash-*"))  # the input, to try it again


@pytest.mark.thorough
@pytest.mark.usefixtures("clang")
def test_the_command(capsys):
    assert run_c.main(["--seconds", "2", "--networks", "1", "--plant", "believed-length"]) == 0
    assert "heap-buffer-overflow" in capsys.readouterr().out
    assert run_c.main(["c_certifier", "--seconds", "1"]) == 0


def test_a_place_that_is_gone_is_no_silent_success(tmp_path, monkeypatch):
    monkeypatch.setitem(PLANTS, "gone", ("c_certifier", "qrobust_certify.c", "nowhere", ""))
    with pytest.raises(ValueError, match="in which to plant 'gone'"):
        build(
            PROGRAMS["c_certifier"], tmp_path, compiler="cc", fuzzer=False, networks=0, plant="gone"
        )


def test_without_clang_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(run_c, "fuzzing_clang", lambda: None)
    assert run_c.main([]) == 2
    assert "apt-get install clang" in capsys.readouterr().err
