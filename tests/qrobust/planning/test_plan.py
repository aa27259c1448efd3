import json
import shutil
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qrobust.certify import (
    CertifyError,
    Job,
    Settings,
    certify_dataset,
    make_data,
    read_certificates,
)
from qrobust.cli import main
from qrobust.planning import recorded
from qrobust.planning.bench import text_of
from qrobust.planning.candidates import candidates
from qrobust.planning.plan import Speeds, make_plan
from qrobust.planning.recorded import Rate, core_runs
from tests.qrobust.certify.bundles import BUNDLES, SHAPE

from .test_bench import made as bench_made

MODELS = Path(__file__).parents[3] / "models"
DIGITS = MODELS / "digits"
NOTHING = Speeds(benches={}, rates={})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A few of the shipped ones: what a test needs, no more."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("digits", "digits_splits", "digits_spread"):
        (folder / name).mkdir()
        for file in ("model.tflite", "certificates.jsonl", "summary.json"):
            shutil.copy(MODELS / name / file, folder / name)
    return folder


@pytest.fixture(scope="module")
def digits(models):
    return candidates("digits", [], models)


def own(networks):
    return [network for network in networks if network.name == "digits"]


def test_candidates_are_found_where_they_are(digits, models):
    (network,) = own(digits)
    assert (network.bits, network.bytes, network.data) == ("4/4", 20_496, "digits")
    assert network.images.count == 300 and network.macs == 121_088
    counted = next(n for n in digits if n.name == "digits_splits")
    assert counted.images is None and counted.why_not.startswith("counts splits")
    (file,) = candidates(str(DIGITS / "model.tflite"), [DIGITS / "certificates.jsonl"], None)
    assert file.images.count == 300
    (folder,) = candidates(str(models / "digits"), [], None)
    assert folder.sha256 == file.sha256 == network.sha256


def test_journals_of_other_files_tell_nothing(tmp_path):
    shutil.copy(DIGITS / "model.tflite", tmp_path)
    shutil.copy(MODELS / "digits_spread" / "certificates.jsonl", tmp_path)
    (network,) = candidates(str(tmp_path), [], None)
    assert network.images is None
    assert network.why_not == "its journal is about another file"
    assert network.bits == ""  # nobody says


def test_journals_of_other_names_are_not_read(models, monkeypatch):
    """All shipped ones would take a busy machine minutes, to be thrown away."""
    read = []
    monkeypatch.setattr(
        "qrobust.planning.candidates.read_certificates", lambda path: read.append(path) or []
    )
    assert [c.name for c in candidates("digits_sp", [], models)] == [
        "digits_splits", "digits_spread"
    ]  # fmt: skip
    assert [path.parent.name for path in read] == ["digits_splits", "digits_spread"]


def test_networks_that_are_not_there(tmp_path, models):
    with pytest.raises(CertifyError, match="is called 'nix'; there are digits, digits_splits, "):
        candidates("nix", [], models)
    with pytest.raises(CertifyError, match="no models are here"):
        candidates("nix", [], None)
    with pytest.raises(CertifyError, match="holds no model.tflite"):
        candidates(str(tmp_path), [], None)
    with pytest.raises(CertifyError, match="--journal goes with --network FILE.tflite"):
        candidates(str(DIGITS), [DIGITS / "certificates.jsonl"], None)


def test_files_and_journals_that_cannot_be_read(tmp_path):
    model, journal = tmp_path / "m.tflite", tmp_path / "j"
    model.write_bytes(b"no network")
    with pytest.raises(CertifyError, match="m.tflite: not a .tflite file"):
        candidates(str(model), [], None)
    shutil.copy(DIGITS / "model.tflite", model)
    with pytest.raises(CertifyError, match="cannot read the journal"):
        candidates(str(model), [journal], None)
    journal.write_text("")
    with pytest.raises(CertifyError, match="holds no finished line"):
        candidates(str(model), [journal], None)
    lines = (DIGITS / "certificates.jsonl").read_text().splitlines(keepends=True)
    journal.write_text(lines[0])
    (network,) = candidates(str(model), [journal], None)
    assert network.why_not == "holds no certificates; certify some images first"
    journal.write_text("".join(lines[:20]))  # unfinished
    (network,) = candidates(str(model), [journal], None)
    assert network.images.count == 19
    journal.write_text("".join([*lines[:5], lines[7]]))
    (network,) = candidates(str(model), [journal], None)
    assert "edited or damaged" in network.why_not
    (network,) = candidates(str(model), [], None)
    assert network.why_not == "no journal: certify some of its images"


def test_a_bundle_is_planned_from_its_journal(tmp_path):
    """Its members' speed is not its own: no seconds and no instructions are made up."""
    path, bundle = tmp_path / "draw.bundle", BUNDLES["draw"]
    path.write_bytes(bundle.to_bytes())
    x = np.random.default_rng(3).integers(0, 256, (6, *SHAPE)).astype(np.uint8)
    job = Job(path.read_bytes(), Settings(n=100, n0=10), sigma="8", classes=3, threads=1)
    list(certify_dataset(job, make_data(x, np.arange(6) % 3), out=tmp_path / "j"))
    (network,) = candidates(str(path), [tmp_path / "j"], None)
    assert (network.images.count, network.macs) == (6, 0)
    runs = core_runs("cortex-m4", MODELS)
    speeds = Speeds(benches={}, rates={}, runs=runs)
    plan = make_plan([network], Fraction(2), bounds=(100,), speeds=speeds)
    assert plan.rows and {(row.seconds, row.instructions) for row in plan.rows} == {(None, None)}


def test_radius_zero_and_radii_that_no_picture_has(digits):
    plan = make_plan(own(digits), Fraction(0), speeds=NOTHING)
    lines = read_certificates(DIGITS / "certificates.jsonl")
    assert abs(plan.rows[1].share - np.mean([line.label == line.y for line in lines])) < 0.01
    huge = make_plan(own(digits), Fraction(10**30), speeds=NOTHING)
    assert not huge.rows and "tells nothing past" in huge.unknown["digits"]


def test_the_most_votes_that_there_are(digits):
    """So many votes are a forecast of seconds, not of minutes and gigabytes."""
    (bound, _) = make_plan(own(digits), Fraction(64), bounds=(300_000,), speeds=NOTHING).rows
    less = make_plan(own(digits), Fraction(64), bounds=(100_000,), speeds=NOTHING).rows[0]
    assert less.share <= bound.share < less.share + 0.02


def test_rows_and_what_is_not_known(digits):
    plan = make_plan(digits, Fraction(64), bounds=(20, 1000), speeds=NOTHING)
    mine = [row for row in plan.rows if row.network == "digits"]
    assert [(row.method, row.n) for row in mine] == [
        ("clopper_pearson", 1000), ("sequential_early", 10_000)
    ]  # fmt: skip
    assert plan.never["digits"] == ["bound n = 20"]
    assert "counts splits" in plan.unknown["digits_splits"]
    assert all(row.low < row.share < row.high for row in mine)
    assert mine[1].votes < mine[0].votes
    assert {row.seconds for row in plan.rows} == {None}
    assert {row.instructions for row in plan.rows} == {None}
    assert sum(row.advised for row in plan.rows) == 1
    best = max(row.share for row in plan.rows)
    (advised,) = [row for row in plan.rows if row.advised]
    assert advised.share >= best - 0.02


def test_radii_beyond_the_votes_are_not_guessed(digits):
    plan = make_plan(own(digits), Fraction(300), speeds=NOTHING)
    assert not plan.rows
    assert plan.unknown["digits"].startswith("its journal tells nothing past 219 LSB: 10,100 votes")


def test_other_noise_is_left_out(digits):
    plan = make_plan(own(digits), Fraction(64), sigma=Fraction(32), speeds=NOTHING)
    assert plan.rows == ()
    assert plan.unknown["digits"] == "its noise has sigma 64, not 32"


def test_seconds_are_those_of_the_very_file(digits):
    (network,) = own(digits)
    bench = bench_made(subject=replace(bench_made().subject, sha256=network.sha256))
    speeds = Speeds(benches={network.sha256: bench}, rates={})
    bound, test = make_plan([network], Fraction(64), bounds=(1000,), speeds=speeds).rows
    assert bound.seconds == 0.001 + 1100 / 1300
    assert test.seconds == pytest.approx(0.001 + test.votes / 900)
    assert not bound.at_least and not test.at_least
    other = Speeds(benches={"00" * 32: bench}, rates={})
    assert make_plan([network], Fraction(64), speeds=other).rows[0].seconds is None
    rate = Speeds(benches={}, rates={network.sha256: Rate(1000, "A CPU", 0.5)})
    bound, test = make_plan([network], Fraction(64), bounds=(1000,), speeds=rate).rows
    assert (bound.seconds, bound.at_least, test.at_least) == (1.1, True, True)


def test_a_bench_of_other_noise_gives_no_seconds(digits):
    (network,) = own(digits)
    subject = replace(bench_made().subject, sha256=network.sha256)
    for sigma, why in (
        ("64", ""),
        ("64.0", ""),
        ("128", "its bench is of sigma 128, its journal of 64"),
        (None, "its bench holds no votes: qrobust bench with --sigma"),
    ):
        bench = bench_made(subject=replace(subject, sigma=sigma))
        speeds = Speeds(benches={network.sha256: bench}, rates={})
        plan = make_plan([network], Fraction(64), bounds=(1000,), speeds=speeds)
        assert plan.untimed == ({"digits": why} if why else {})
        assert [row.seconds is None for row in plan.rows] == [bool(why)] * 2


def test_members_of_a_family_are_no_images_of_their_own(tmp_path):
    """6 digits of 33 members each would get the interval of 198 digits."""
    for file in ("model.tflite", "certificates.jsonl"):
        shutil.copy(DIGITS / file, tmp_path)
    (network,) = candidates(str(tmp_path), [], None)
    assert network.images is not None
    (tmp_path / "certificates.members.npz").touch()
    (network,) = candidates(str(tmp_path), [], None)
    assert network.images is None
    assert network.why_not.startswith("certificates.jsonl holds the members of a family")
    shutil.copy(tmp_path / "certificates.jsonl", tmp_path / "certificates_single.jsonl")
    (network,) = candidates(str(tmp_path), [], None)
    assert network.images.count == 300


def test_bounds_that_are_asked_for_twice_are_one_row(digits):
    plan = make_plan(own(digits), Fraction(64), bounds=(1000, 1000), speeds=NOTHING)
    assert [row.n for row in plan.rows] == [1000, 10_000]


# The command


def test_the_command_prints_what_it_knows_and_what_not(capsys, tmp_path):
    words = ["plan", "--radius", "64", "--network", "digits_b", "--n", "1000"]
    assert main([*words, "--core", "Cortex-M4", "--mhz", "50"]) == 0
    text = capsys.readouterr().out
    assert "s, cortex-m4 (emulated)" in text and "no silicon was seen" in text
    assert "recorded on" not in text  # no row has seconds
    assert "not known: digits_bands: counts bands: without noise there is nothing to plan" in text
    words[4] = str(DIGITS)
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "s: recorded on" in text and text.count(" >= ") == 2
    assert main([*words, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in value["rows"]} == {"clopper_pearson", "sequential_early"}
    path = tmp_path / "b.json"
    path.write_text(text_of(bench_made()))
    assert main([*words, "--bench", str(path)]) == 0
    text = capsys.readouterr().out
    assert "s: A CPU, 2 cores, 2 threads, kernels xnnpack, file abababab..." in text
    assert "s: no speed of" in text and "recorded on" not in text
    assert main([*words, "--sigma", "63"]) == 1
    text = capsys.readouterr().out
    assert text == "not known: digits: its noise has sigma 64, not 63\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--radius", "0.25"], "--radius is in LSB"),
        (["--radius", "-3"], "must not be negative"),
        (
            ["--radius", "64", "--core", "z80"],
            "nothing was counted on --core z80; known: cortex-m3",
        ),
        (["--radius", "64", "--mhz", "0"], "--mhz must lie in"),
        (["--radius", "64", "--alpha", "2"], "alpha must lie in (0, 0.5]"),
        (["--radius", "64", "--bench", "none.json"], "cannot read none.json"),
        (["--radius", "64", "--n", "0"], "n of a plan must be in"),
        (["--radius", "64", "--n", "99999999"], "n of a plan must be in [1, 1000000]"),
        (["--radius", "64", "--network", ""], "--network is empty"),
        (["--radius", "1e99"], "must have an exponent within 30"),
        (["--radius", "nan"], "must be a finite number"),
    ],
)
def test_the_command_refuses_in_one_line(capsys, words, message):
    assert main(["plan", "--network", str(DIGITS), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_a_wheel_has_no_records_and_says_so(capsys, monkeypatch, tmp_path):
    for name in ("rates", "core_names"):
        function = getattr(recorded, name)
        monkeypatch.setattr(recorded, name, partial(function, tmp_path))
    words = ["plan", "--radius", "64", "--network", str(DIGITS), "--n", "1000"]
    assert main(words) == 0
    assert "s: no speed of digits" in capsys.readouterr().out
    assert main([*words, "--core", "cortex-m4"]) == 2
    assert "known: none: the records are in the source distribution" in capsys.readouterr().err


def test_a_text_of_somebody_elses_bench_cannot_draw_on_the_terminal(capsys, tmp_path):
    path = tmp_path / "b.json"
    evil = replace(bench_made().machine, cpu="\x1b[2Jcpu")
    path.write_text(text_of(bench_made(machine=evil)))
    assert main(["plan", "--radius", "64", "--network", str(DIGITS), "--bench", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
