"""Journals whose certificates a clock ended: what holds of them, and what does not pass."""

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from qrobust.certify import (
    AuditSettings,
    CertifyError,
    FloatCertifier,
    Job,
    Settings,
    certify_dataset,
    check_offline,
    make_data,
    run_audit,
)
from qrobust.certify.auditing.audit import fresh_samples
from qrobust.certify.run.batch import plan_of
from qrobust.certify.run.keys import plan_hash

from ..vote_clock import clock_of_votes
from .journals import bad, certified, edited, rewritten, values_of

HASH = "4d8e2a93c4d20550fe4ddd38039e00827775dcb98385238b8500c06c88164c90"
DEADLINE = Settings(method="confidence_sequence", n=100_000, n0=20, deadline_ms=30)


@pytest.fixture(scope="module")
def timed(classifier, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("deadline") / "j"
    job = Job(classifier, DEADLINE, sigma="30", classes=3, threads=2)
    with clock_of_votes():
        assert not certified(job, data, path).failed
    return path


def test_the_clock_ended_them_and_the_plan_says_so(timed):
    head, *lines, closing = values_of(timed)
    assert head["plan"]["deadline_ms"] == 30
    assert closing["closed"] == len(lines) == 12
    assert all(0 < line["n"] < 100_000 for line in lines)
    assert len({line["n"] for line in lines}) > 1
    assert sum(line["label"] >= 0 for line in lines) > 6


def test_they_audit_on_a_machine_without_that_clock(timed, classifier, data):
    assert not bad(timed, classifier, data, threads=1)


def test_estimates_with_the_auditors_own_key(timed, classifier, data):
    checked = check_offline(timed)
    audited = run_audit(checked, classifier, data, AuditSettings(fresh_seed=5, threads=2))
    assert audited.fresh
    assert not any(f.refuted for f in audited.fresh)
    assert {f.n for f in audited.fresh} == {max(c.n for c in checked.certificates.values())}


@pytest.mark.parametrize("method", ["sequential", "sequential_early"])
def test_tests_of_one_radius_that_a_clock_ended(classifier, data, tmp_path, method):
    settings = Settings(method=method, n=5000, n0=64, radius="14", deadline_ms=3)
    job = Job(classifier, settings, sigma="30", classes=3, threads=1)
    with clock_of_votes():
        assert not certified(job, data, tmp_path / "j").failed
    assert "undecided" in {line.get("decision") for line in values_of(tmp_path / "j")}
    assert not bad(tmp_path / "j", classifier, data)


def first_certified(path):
    return next(i for i, v in enumerate(values_of(path), 1) if v.get("label", -1) >= 0)


def test_a_radius_above_what_its_votes_show_is_found(timed, tmp_path):
    line = first_certified(timed)
    value = values_of(timed)[line - 1]
    forged = value["radius_q16"] + 4096
    path = edited(timed, tmp_path / "j", line, {"radius_q16": forged}, rechain=True)
    reasons = [f.reason for f in check_offline(path).failed]
    assert any("do not certify" in reason for reason in reasons)


def test_more_votes_than_were_drawn_are_found(timed, classifier, data, tmp_path):
    # As if the clock had left it time for a hundred lucky votes more; all else follows from them.
    line = first_certified(timed)
    value = values_of(timed)[line - 1]
    votes = list(value["votes"])
    votes[value["label"]] += 100
    more = {"votes": votes, "n": value["n"] + 100, "samples": value["samples"] + 100}
    path = edited(timed, tmp_path / "j", line, more, rechain=True)
    assert not check_offline(path).failed  # nothing but the model can tell
    found = bad(path, classifier, data)
    assert [number for number, *_ in found] == [line]
    assert "votes is" in found[0][2]


def test_fewer_votes_are_a_clock_that_ran_faster(timed, classifier, data, tmp_path):
    """Stopping earlier at will is allowed; dropping the unlucky ones among the votes is not."""
    line = first_certified(timed)
    value = values_of(timed)[line - 1]
    lost = value["n"] - sum(value["votes"][c] for c in (value["label"],))
    votes = [count if c == value["label"] else 0 for c, count in enumerate(value["votes"])]
    fewer = {"votes": votes, "n": value["n"] - lost, "samples": value["samples"] - lost}
    path = edited(timed, tmp_path / "j", line, fewer, rechain=True)
    found = bad(path, classifier, data)
    assert lost == 0 or [number for number, *_ in found] == [line]


def with_plan(timed, path, **change):
    """The journal under another plan, hashed anew and repeated in every line."""
    head, *lines = values_of(timed)
    for name, item in change.items():
        plans = [head["plan"], *(line["settings"] for line in lines if "settings" in line)]
        for plan in plans:
            plan.pop(name, None) if item is None else plan.update({name: item})
    head["plan_sha256"] = plan_hash(head["plan"])
    return rewritten([head, *lines], path)


def test_a_plan_without_its_deadline_does_not_explain_the_votes(timed, classifier, data, tmp_path):
    path = with_plan(timed, tmp_path / "j", deadline_ms=None)
    # The claims hold at any moment, so nothing speaks against a radius; the run itself was another.
    assert not [f for f in check_offline(path).failed if "do not certify" in f.reason]
    # A re-run of that plan would draw all 100,000 votes: keep it short.
    short = with_plan(timed, tmp_path / "k", deadline_ms=None, n=2000)
    found = bad(short, classifier, data)
    assert found


def test_a_changed_deadline_is_another_plan(timed, tmp_path):
    values = values_of(timed)
    values[0]["plan"]["deadline_ms"] = 9999
    path = rewritten(values, tmp_path / "j")
    assert any("not the one that was hashed" in f.reason for f in check_offline(path).failed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "clopper_pearson"}, "may not stop at a deadline"),
        ({"deadline_ms": True}, "deadline_ms is True, not int"),
        ({"deadline_ms": "30"}, "deadline_ms is '30', not int"),
        ({"deadline_ms": 0}, "must be in .1, 86400000., received 0"),
        ({"deadline_ms": -30}, "must be in .1, 86400000., received -30"),
        ({"deadline_ms": 10**30}, "must be in .1, 86400000."),
        ({"deadline_ms": 30.0}, "deadline_ms is 30.0, not int"),
        ({"hurry": 1}, "unknown or missing keys"),
    ],
)
def test_plans_that_nobody_can_have_made(timed, tmp_path, change, message):
    path = with_plan(timed, tmp_path / "j", **change)
    with pytest.raises(CertifyError, match=message):
        check_offline(path)


def test_a_deadline_of_null_is_refused(timed, tmp_path):
    values = values_of(timed)
    values[0]["plan"]["deadline_ms"] = None
    values[0]["plan_sha256"] = plan_hash(values[0]["plan"])
    with pytest.raises(CertifyError, match="deadline_ms is None, not int"):
        check_offline(rewritten(values, tmp_path / "j"))
    assert "deadline_ms" in json.dumps(values[0])


def test_the_plan_without_a_deadline_is_hashed_as_ever(classifier, data):
    """No byte of journals without a deadline has changed: witnessed keys hang on this hash."""
    job = Job(classifier, Settings(n=200, n0=20), sigma="30", classes=3, threads=1)
    plan = plan_of(job, data) | {"model_sha256": "00" * 32, "data_sha256": "11" * 32}
    assert plan_hash(plan) == HASH
    assert plan_hash(plan | {"deadline_ms": 30}) != HASH


def interrupted(job, data, path, lines):
    with clock_of_votes(), closing(certify_dataset(job, data, out=path)) as certificates:
        for _ in range(lines):
            next(certificates)


def test_a_journal_is_gone_on_with_by_the_same_deadline_only(classifier, data, tmp_path):
    job = Job(classifier, DEADLINE, sigma="30", classes=3, threads=1)
    path = tmp_path / "j"
    interrupted(job, data, path, 5)
    for other in (replace(DEADLINE, deadline_ms=31), replace(DEADLINE, deadline_ms=None)):
        with pytest.raises(CertifyError, match="deadline_ms"):
            list(certify_dataset(replace(job, settings=other), data, out=path))
    with clock_of_votes():
        assert not certified(job, data, path).failed
    assert values_of(path)[-1]["closed"] == 12
    assert not bad(path, classifier, data)


def test_workers_draw_the_same_votes(classifier, data, tmp_path):
    job = Job(classifier, DEADLINE, sigma="30", classes=3, threads=1, workers=2)
    with clock_of_votes():
        assert not certified(job, data, tmp_path / "j").failed
    assert not bad(tmp_path / "j", classifier, data, threads=1)


def test_a_callable_is_audited_without_its_clock(data, tmp_path):
    made = FloatCertifier(
        lambda x: np.stack([x.reshape(len(x), -1).sum(1), np.full(len(x), 2560)], 1),
        shape=(5, 4, 1), classes=2, sigma=30, identity=b"sum", runtime="NumPy", seed=0,
    )  # fmt: skip
    two = make_data(data.x, data.y % 2)
    with clock_of_votes():
        list(made.certify_dataset(two, out=tmp_path / "j", settings=DEADLINE))
    assert not bad(tmp_path / "j", made, two)


@pytest.mark.parametrize("settings", [{"sample": 4, "draw_seed": 1}, {"independent": "numpy"}])
def test_other_ways_to_audit(timed, classifier, data, settings):
    settings |= {"every": 1} if "sample" in settings else {"sample": 1, "draw_seed": 1}
    audited = run_audit(check_offline(timed), classifier, data, AuditSettings(**settings))
    assert not audited.checked.failed


@pytest.mark.parametrize(
    "change",
    [{"n": 10**30}, {"n": 10**30, "samples": 10**30 + 20}, {"n": -1}, {"settings": {"alpha": "1"}}],
)
def test_lines_that_say_any_number_are_refuted_in_time(timed, classifier, data, tmp_path, change):
    """Neither a re-run nor an estimate takes a forger's number for its own."""
    path = edited(timed, tmp_path / "j", 2, change, rechain=True)
    checked = check_offline(path)
    assert [f.line for f in checked.failed] == [2]
    assert 0 < fresh_samples(checked) < 5_000
    found = bad(path, classifier, data)
    assert [number for number, *_ in found] == [2]


def test_more_votes_than_the_plan_has_are_refused(timed, tmp_path):
    line = first_certified(timed)
    value = values_of(timed)[line - 1]
    votes = [10**6 if c == value["label"] else 0 for c in range(3)]
    more = {"votes": votes, "n": 10**6, "samples": 10**6 + value["n0"]}
    path = edited(timed, tmp_path / "j", line, more, rechain=True)
    assert any("1000000 votes of 100000 planned" in f.reason for f in check_offline(path).failed)
    assert fresh_samples(check_offline(path)) == 100_000


def test_a_deadline_in_a_line_alone_is_not_the_plans(timed, tmp_path):
    settings = values_of(timed)[1]["settings"] | {"deadline_ms": 99}
    path = edited(timed, tmp_path / "j", 2, {"settings": settings}, rechain=True)
    assert [f.reason for f in check_offline(path).failed] == ["its settings are not the header's"]
