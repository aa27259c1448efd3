"""Counted views from end to end: certify, journal, resume, audit, forgeries, brute force."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import (
    Certifier,
    CertifyError,
    Job,
    KeySource,
    SmoothingSpec,
    certify_dataset,
    make_data,
    read_certificates,
    read_spec,
)
from qrobust.certify.auditing.audit import AuditSettings, run_audit
from qrobust.certify.auditing.offline import check_offline
from qrobust.certify.auditing.verdict import Verdict, Witness
from qrobust.certify.file.contract import reference_outputs
from qrobust.certify.file.metadata import write_metadata
from qrobust.certify.run.journal import chain
from qrobust.certify.run.spec_in_force import settings_in_force
from qrobust.certify.smoothings import bands
from qrobust.certify.smoothings.splits import Splits
from qrobust.certify.smoothings.subsets import subset_views

from .counting_files import VIEWS, counting_file
from .tiny_models import linear

KINDS = pytest.mark.parametrize("kind", VIEWS)


@pytest.fixture(scope="module")
def pictures():
    x = np.random.default_rng(4).integers(0, 256, (6, 4, 5, 1)).astype(np.uint8)
    return make_data(x, np.arange(6) % 3)


def job(kind, **changes):
    file = counting_file(kind)
    with Certifier(file, threads=1) as certifier:
        settings = settings_in_force(certifier.smoothing)
    return Job(file, settings, threads=1, **changes)


def written(kind, data, path):
    list(certify_dataset(job(kind), data, out=path))
    return path


@pytest.fixture(scope="module")
def journals(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("journals")
    return {kind: written(kind, pictures, folder / kind).read_bytes() for kind in VIEWS}


BY_HAND = {"bands": bands.band_views, "blocks": bands.block_views, "ablation": subset_views}


def by_hand(file, kind, x):
    """Votes of all views by the pure functions and a file without any smoothing, one by one."""
    size, threshold = VIEWS[kind]
    if kind == "splits":
        views = Splits(size, x.size, 255).shown(x.ravel()).reshape(-1, *x.shape)
    else:
        views = BY_HAND[kind](x, size, 255)
    outputs = np.stack([reference_outputs(file, v[None].astype(np.int16) - 128)[0] for v in views])
    ordered = np.sort(outputs.astype(np.int64), axis=1)
    sure = ordered[:, -1] - ordered[:, -2] >= threshold
    return np.bincount(outputs.argmax(axis=1)[sure], minlength=3)


@pytest.mark.ordinary(2)
@KINDS
def test_votes_are_those_of_the_pure_functions_and_radii_follow(kind, pictures):
    file = counting_file(kind)
    with Certifier(file, threads=2) as certifier:
        for i, x in enumerate(pictures.x):
            got = certifier.certify(x, index=i)
            votes = by_hand(file, kind, x)
            assert got.votes == tuple(votes)
            assert got.label == certifier.predict(x) == int(np.argmax(votes))
            assert got.norm == {"splits": "l1", "ablation": "l0"}.get(kind, "patch")
            assert (got.alpha, got.n0, got.pilot_votes, got.key_level) == ("0", 0, None, "none")
            if kind == "bands":
                sizes = range(1, 5)
                sure = [m for m in sizes if bands.stands(votes, bands.touched_bands(m, 2, 5))]
                assert got.radius == max(sure, default=0)


@pytest.mark.ordinary(2)
@KINDS
def test_threads_batches_and_processes_change_nothing(kind, pictures):
    found = set()
    for threads, batch, workers, trusted in ((1, 1, 1, True), (3, 7, 1, False), (1, 64, 2, False)):
        with Certifier(
            counting_file(kind),
            threads=threads,
            batch_size=batch,
            workers=workers,
            trusted=trusted,
        ) as certifier:
            found.add(tuple(certifier.certify(x).votes for x in pictures.x[:3]))
    assert len(found) == 1


@KINDS
def test_an_early_stop_agrees_with_the_full_run(kind, pictures):
    file, stopped = counting_file(kind, size=400 if kind == "splits" else None), 0
    with Certifier(file, threads=1) as certifier:
        for x in pictures.x:
            full = certifier.certify(x)
            for radius in (0, 1, 2, 40, 150) if kind == "splits" else (0, 1, 2, 4):
                short = certifier.certify(x, radius=radius)
                stopped += short.n < full.n
                assert short.abstained == (full.radius < radius)
                if not short.abstained:
                    assert (short.label, short.radius) == (full.label, radius)
        if kind in ("bands", "blocks"):
            with pytest.raises(CertifyError, match="5 x 5 does not fit a picture of 4 x 5"):
                certifier.certify(pictures.x[0], radius=5)
    assert stopped or kind != "splits"


@pytest.mark.ordinary(2)
@KINDS
def test_journal_resumes_and_audits(kind, journals, pictures, tmp_path):
    path, lines = tmp_path / "j", journals[kind]
    path.write_bytes(lines)
    (tmp_path / "cut").write_bytes(lines[: len(lines) // 2])
    written(kind, pictures, tmp_path / "cut")
    plain = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name).read_text().splitlines()]
        for name in ("j", "cut")
    ]
    assert plain[0] == plain[1]
    checked = check_offline(path)
    assert not checked.failed
    audited = run_audit(checked, counting_file(kind), pictures, AuditSettings(fresh_seed=3))
    verdict = Verdict(checked, audited, Witness(), Fraction(1, 100))
    assert verdict.stands and verdict.allowed == 0 and not audited.fresh
    assert "nothing is left to chance" in verdict.text()
    assert "not estimated again with seed 3" in verdict.text()
    again = list(read_certificates(path))
    assert [c.index for c in again] == list(range(6))


def forge(path, change, header=None):
    """Rewrite the first certificate, and every chain, as a careful forger would."""
    values = [json.loads(line) for line in path.read_text().splitlines()]
    change(values[1])
    if header is not None:
        header(values[0])
    previous = ""
    for value in values:
        value["chain"] = previous = chain(previous, value)
    path.write_text("".join(json.dumps(v, separators=(",", ":")) + "\n" for v in values))


def more_radius(line):
    line["radius_q16"] += 1 << 16
    line["radius"] += 1
    if "radius_unit" in line:
        line["radius_unit"] = int(Fraction(line["radius_q16"], 255 << 16) * 10**9) / 10**9


def half_a_step(line):
    line["radius_q16"] += 1 << 15
    line["radius"] += 0.5
    if "radius_unit" in line:
        line["radius_unit"] = int(Fraction(line["radius_q16"], 255 << 16) * 10**9) / 10**9


@KINDS
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (more_radius, "votes"),
        (half_a_step, "not what was counted"),
        (lambda line: line.update(n=line["n"] + 1, samples=line["n"] + 1), "views run"),
        (lambda line: line.update(pilot_votes=[1, 0, 0]), "nothing is drawn"),
        (lambda line: line.update(norm="l2"), "norm"),
        (lambda line: line.update(key="1" * 32), "its key does not follow"),
        (lambda line: line.update(key_level="derived"), "its key is derived"),
        (lambda line: line["counting"].update(size=1), "counting is"),
        (lambda line: line["votes"].__setitem__((line["candidate"] + 1) % 3, 400), "most votes"),
    ],
)
def test_forged_lines_are_refused_offline(kind, change, words, journals, tmp_path):
    path = tmp_path / "j"
    path.write_bytes(journals[kind])
    forge(path, change)
    (finding,) = check_offline(path).failed
    assert re.search(words, finding.reason), finding.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plan: plan["counting"].update(shift_key=7), "counting is"),
        (lambda plan: plan["counting"].update(size=True), "counting is"),
        (lambda plan: plan.update(counting=None), "counting is"),
        (lambda plan: plan.update(noise="bands"), "splits count 'bands'"),
        (lambda plan: plan.update(sigma="3"), "sigma '3'"),
        (lambda plan: plan.update(alpha="0.001"), "cannot fail"),
        (lambda plan: plan.update(n0=1), "cannot fail"),
        (lambda plan: plan.pop("counting"), "counting is None"),
    ],
)
def test_forged_headers_are_refused(change, words, journals, tmp_path):
    path = tmp_path / "j"
    path.write_bytes(journals["splits"])
    forge(path, lambda line: None, header=lambda head: change(head["plan"]))
    with pytest.raises(CertifyError, match=words):
        check_offline(path)


def test_votes_that_are_not_the_files_are_found_by_a_rerun(journals, pictures, tmp_path):
    path = tmp_path / "j"
    path.write_bytes(journals["splits"])

    def turn(line):
        best = line["candidate"]
        line["votes"][best] -= 1
        line["votes"][(best + 1) % 3] += 1
        line["radius_q16"] = line["radius"] = line["radius_unit"] = 0

    forge(path, turn)
    checked = check_offline(path)
    run_audit(checked, counting_file("splits"), pictures, AuditSettings())
    assert any("votes" in f.reason for f in checked.failed)


@pytest.mark.ordinary(2)
@KINDS
def test_nothing_but_the_radius_is_left_to_ask_for(kind, pictures):
    file, x = counting_file(kind), pictures.x[0]
    with Certifier(file, threads=1) as certifier:
        for wrong in (
            {"n": 3},
            {"n0": 10},
            {"alpha": "0.01"},
            {"method": "anytime"},
            {"gain": ".1"},
        ):
            with pytest.raises(CertifyError):
                certifier.certify(x, **wrong)
        with pytest.raises(CertifyError, match="whole radii"):
            certifier.certify(x, radius="1.5")
        with pytest.raises(CertifyError, match="has no noise"):
            _ = certifier.noise
    for wrong in ({"seed": 1}, {"key": "fresh"}, {"nonce": "a", "source": "b", "round": "c"}):
        with pytest.raises(CertifyError, match="nothing is drawn"):
            Certifier(file, **wrong)
    with pytest.raises(CertifyError, match="contradicts"):
        Certifier(file, sigma=30)
    with pytest.raises(CertifyError, match="no such views|for counted views"):
        Certifier(linear(np.eye(2)), sigma=3, key=KeySource(level="none"))
    assert Certifier(file, noise=kind, threads=1).keys.level == "none"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value["counting"].pop("shift_key"), "has to hold shift_key"),
        (lambda value: value["counting"].update(shift_key=8), "shifts splits by key 8"),
        (lambda value: value["counting"].update(size=0), "splits must lie in"),
        (lambda value: value["counting"].update(size=70_000), "splits must lie in"),
        (lambda value: value["counting"].update(size=3.0), "integers"),
        (lambda value: value["counting"].update(threshold=-1), "threshold"),
        (lambda value: value.update(sigma="3"), "no sigma"),
        (lambda value: value.pop("counting"), "sigma|counting"),
        (lambda value: value.update(noise="bands"), "has to hold"),
    ],
)
def test_other_specs_are_refused(change, words):
    file = counting_file("splits")
    value = read_spec(file).to_json()
    change(value)
    with pytest.raises(CertifyError, match=words):
        Certifier(write_metadata(file, "qrobust.smoothing", json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("kind", "shape", "size", "words"),
    [
        ("bands", (4, 5, 1), 2, "2 x channels"),
        ("bands", (20,), 2, "2 x channels"),
        ("blocks", (4, 5, 2), 5, "do not fit"),
        ("bands", (4, 5, 2), 0, "do not fit"),
    ],
)
def test_views_that_the_file_cannot_take_are_refused(kind, shape, size, words):
    model = linear(np.ones((2, int(np.prod(shape))), int), shape=shape)
    with pytest.raises(CertifyError, match=words):
        SmoothingSpec.for_views(model, kind, size)
