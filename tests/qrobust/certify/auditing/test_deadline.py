"""Journals whose certificates a clock ended: what holds of them, and what does not pass."""

import json

import pytest

from qrobust.certify import AuditSettings, CertifyError, Job, Settings, check_offline, run_audit
from qrobust.certify.run.keys import plan_hash

from .journals import bad, certified, edited, rewritten, values_of

DEADLINE = Settings(method="confidence_sequence", n=100_000, n0=20, deadline_ms=30)


@pytest.fixture(scope="module")
def timed(classifier, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("deadline") / "j"
    job = Job(classifier, DEADLINE, sigma="30", classes=3, threads=2)
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
    assert not certified(job, data, tmp_path / "j").failed
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
