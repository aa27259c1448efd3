"""Every forgery that an independent review made, and the kinds that they are of."""

import json
import os
import random
from fractions import Fraction

import pytest

from qrobust.certify import (
    AuditSettings,
    CertifyError,
    Verdict,
    Witness,
    audit,
    check_offline,
    make_data,
    run_audit,
)
from qrobust.certify.run.keys import plan_hash

from ..tiny_models import linear
from .journals import bad, edited, rewritten, values_of

BETA = Fraction(1, 100)


def test_all_reproduce(journal, classifier, data):
    findings = list(audit(journal, classifier, data))
    assert len(findings) == 12
    assert all(f.reproduced for f in findings)


@pytest.mark.parametrize("kernels", ["builtin", "reference"])
def test_other_kernels_reproduce(journal, classifier, data, kernels):
    assert not bad(journal, classifier, data, kernels=kernels)


@pytest.mark.ordinary(5)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"votes": [200, 0, 0]}, "votes is"),
        ({"radius_q16": 10**9}, "radius_q16 is"),
        ({"radius": 99.0}, "do not follow from the others: radius"),
        ({"n": 10}, "n is 10"),
        ({"n0": 10}, "n0 is 10"),
        ({"settings": {"alpha": "0.1"}}, "settings are not the header's"),
        ({"y": 0}, "do not follow from the others: correct"),
        ({"key": "0" * 32}, "key does not follow from the header"),
        ({"key_level": "witnessed"}, "its key is witnessed, the header's derived"),
        ({"pilot_votes": [20, 0, 0]}, "pilot"),
        ({"pilot_votes": []}, "pilot"),
        ({"decision": "gave_up"}, "decision"),
        ({"input_sha256": "00"}, "input_sha256 is 00"),
        ({"sigma": "31"}, "sigma is 31, the header says 30"),
        ({"portable": False}, "portable is False"),
        ({"unit": "metre"}, "unit is metre"),
    ],
    ids=str,
)
def test_an_edited_certificate_is_named(journal, classifier, data, tmp_path, change, field):
    forged = edited(journal, tmp_path / "j", 4, change, rechain=True)
    findings = bad(forged, classifier, data)
    assert [line for line, _, _ in findings] == [4]
    assert field in findings[0][2]
    plain = edited(journal, tmp_path / "j", 4, change, rechain=False)
    assert "its chain does not follow" in bad(plain, classifier, data)[0][2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 5}, "line 4: unknown keys: seed"),
        ({"extra": 1}, "line 4: unknown keys: extra"),
        ({"votes": "x"}, "line 4: the certificate's votes is 'x'"),
        ({"votes": [1.0, 2, 3]}, "line 4: .* not all integers"),
        ({"index": 99}, "line 4: image 99 was not planned"),
        ({"index": 0}, "line 4: image 0 a second time"),
    ],
    ids=str,
)
def test_what_is_no_line_is_refused(journal, tmp_path, change, message):
    with pytest.raises(CertifyError, match=message):
        check_offline(edited(journal, tmp_path / "j", 4, change, rechain=True))


def test_any_edit_of_any_line_is_found_without_the_chain(journal, classifier, data, tmp_path):
    """Property: change one integer or text somewhere; the audit says so or refuses the journal."""
    rng = random.Random(0)
    for trial in range(40):
        values = values_of(journal)
        place = rng.randrange(1, len(values) - 1)
        name = rng.choice([n for n in values[place] if n not in ("chain", "seconds", "samples")])
        old = values[place][name]
        match old:
            case bool():
                new = not old
            case int() | float():
                new = old + 1
            case str():
                new = old + "x"
            case list():
                new = [old[0] + 1, *old[1:]]
            case dict():
                new = {**old, "alpha": "0.5"}
            case _:
                new = 1
        if name in ("runtime", "kernels"):
            continue  # of a portable file, these are no part of the claim
        values[place][name] = new
        forged = rewritten(values, tmp_path / f"j{trial}")
        try:
            found = bad(forged, classifier, data)
        except CertifyError:
            continue
        assert found, (name, old, new)


def test_forged_votes_are_found_where_they_are_drawn(journal, classifier, data, tmp_path):
    # The votes of the two other classes change places: no radius does, only a re-run can tell.
    line = values_of(journal)[3]
    first, second = (c for c in range(3) if c != line["candidate"])
    votes = list(line["votes"])
    votes[first], votes[second] = votes[second], votes[first]
    assert votes != line["votes"]
    forged = edited(journal, tmp_path / "j", 4, {"votes": votes}, rechain=True)
    found = missed = 0
    for draw_seed in range(12):
        checked = check_offline(forged)
        settings = AuditSettings(sample=3, draw_seed=draw_seed, threads=1)
        audited = run_audit(checked, classifier, data, settings)
        assert len(audited.rerun) == 3
        assert audited.draw_seed == draw_seed
        found += bool(checked.failed)
        missed += not checked.failed
        assert bool(checked.failed) == (4 in audited.rerun)
        text = Verdict(checked, audited, Witness(), BETA).text()
        assert f"3 of 12 lines run again, drawn with seed {draw_seed}" in text
        assert "with 95 % at most 6 others are not" in text
    assert found
    assert missed


def test_forged_radii_need_no_draw(journal, classifier, data, tmp_path):
    """36 of 40 lines forged and chained anew passed an audit of one line in ten."""
    values = values_of(journal)
    for value in values[1:-1]:
        if value["label"] >= 0:
            value["radius_q16"] += 7 << 16
            value["radius"] += 7
            value.pop("derived"), value.pop("radius_unit")
    forged = rewritten(values, tmp_path / "j")
    assert len(bad(forged, classifier, data, every=12)) >= 8


def test_every_draws_at_random(journal, classifier, data):
    with pytest.raises(CertifyError, match="every must be at least 1"):
        list(audit(journal, classifier, data, every=0))
    drawn = set()
    for _ in range(6):
        checked = check_offline(journal)
        audited = run_audit(checked, classifier, data, AuditSettings(every=6, threads=1))
        assert len(audited.rerun) == 2
        drawn.add(tuple(audited.rerun))
    assert len(drawn) > 1


def test_another_model_or_data(journal, classifier, data, images):
    with pytest.raises(CertifyError, match="made with another model"):
        list(audit(journal, linear([[1] * 20] * 3, shape=(5, 4, 1)), data))
    with pytest.raises(CertifyError, match="made with another data"):
        list(audit(journal, classifier, make_data(images)))


# Completeness and uniqueness


def test_dropped_lines_are_missing(journal, tmp_path):
    header, *lines = values_of(journal)
    forged = rewritten([header, *lines[:2]], tmp_path / "j")
    verdict = Verdict(check_offline(forged), None, Witness(), BETA)
    value = verdict.to_json()
    assert (value["certificates"], value["planned"], value["closed"]) == (2, 12, False)
    assert value["certified"] <= 2
    assert "of 12 certified to their true class; 10 planned images are missing" in verdict.text()


def test_a_forged_closing_line(journal, tmp_path):
    header, *lines, closing = values_of(journal)
    forged = rewritten([header, *lines[:5], closing], tmp_path / "j")
    checked = check_offline(forged)
    assert [f.reason for f in checked.failed] == ["the closing line speaks of 12 certificates"]
    with pytest.raises(CertifyError, match="follows the closing line"):
        check_offline(rewritten([header, *lines, closing, lines[0]], tmp_path / "k"))
    with pytest.raises(CertifyError, match="no certificate and no closing line"):
        check_offline(rewritten([header, *lines, {**closing, "more": 1}], tmp_path / "l"))


def test_copies_of_the_best_certificate(journal, tmp_path):
    header, *lines, closing = values_of(journal)
    best = max(lines, key=lambda line: line["radius_q16"])
    copies = [dict(best) for _ in range(12)]
    with pytest.raises(CertifyError, match=f"image {best['index']} a second time"):
        check_offline(rewritten([header, *copies, closing], tmp_path / "j"))
    renamed = [{**best, "index": i} for i in range(12)]
    assert check_offline(rewritten([header, *renamed, closing], tmp_path / "k")).failed


def test_a_shrunken_plan_is_another_plan(journal, tmp_path):
    header, *lines, _ = values_of(journal)
    header["plan"]["indices"] = [[0, 2]]
    forged = rewritten([header, *lines[:2], {"closed": 2}], tmp_path / "j")
    assert "plan is not the one that was hashed" in check_offline(forged).failed[0].reason
    header["plan_sha256"] = plan_hash(header["plan"])
    forged = rewritten([header, *lines[:2], {"closed": 2}], tmp_path / "k")
    checked = check_offline(forged)
    assert not checked.failed  # a plan of two images: what was published beforehand tells
    assert Verdict(checked, None, Witness(), BETA).images == 2


def test_empty_and_damaged_journals(classifier, data, tmp_path, journal):
    path = tmp_path / "j"
    path.write_bytes(b"")
    with pytest.raises(CertifyError, match="nothing to audit"):
        list(audit(path, classifier, data))
    path.write_text('{"format":"qrobust.certificates","version":1}\n')
    with pytest.raises(CertifyError, match="header has unknown or missing keys"):
        list(audit(path, classifier, data))
    header, *_ = values_of(journal)
    with pytest.raises(CertifyError, match="holds no certificate"):
        check_offline(rewritten([header], path))
    whole = journal.read_bytes()
    for cut in (1, 30):
        path.write_bytes(whole[:-cut])
        with pytest.raises(CertifyError, match="last line is torn"):
            check_offline(path)


@pytest.mark.parametrize(
    ("place", "name", "new"),
    [
        ("plan", "n", "300.0"),
        ("plan", "n", "1000000000000"),
        ("plan", "n0", "1000000000000"),
        ("plan", "n", "true"),
        ("plan", "alpha", '"1e-99999999"'),
        ("plan", "alpha", '"1e999999999"'),
        ("plan", "alpha", "0.001"),
        ("plan", "sigma", '"1e-9999999"'),
        ("plan", "sigma", '"1e999999999"'),
        ("plan", "indices", "[[0,1e9]]"),
        ("plan", "indices", "[[5,3]]"),
        ("plan", "indices", "[]"),
        ("plan", "n", "1" + "0" * 5000),
        ("plan", "unknown", "1"),
        ("header", "unknown", "1"),
        ("header", "chain", "NaN"),
        ("header", "chain", '"\\ud800"'),
        ("header", "key", '{"level":"chosen"}'),
        ("header", "key", '{"level":"derived","seed":1}'),
        ("header", "kernels", '"xnnpack","kernels":"builtin"'),
        ("header", "version", "3"),
        ("header", "version", "2.0"),
    ],
)
def test_doubtful_headers_are_refused_at_once(journal, tmp_path, place, name, new):
    header, *lines = values_of(journal)
    (header["plan"] if place == "plan" else header)[name] = "@"
    text = json.dumps(header).replace('"@"', new)
    rest = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "j").write_text(text + "\n" + rest)
    with pytest.raises(CertifyError, match="line 1|journal version"):
        check_offline(tmp_path / "j")


@pytest.mark.parametrize(
    "text", ['{"index":0,"index":1}', "[1]", "{", '{"index":NaN}', '{"a":"\\udfff"}', "\xff" * 9]
)
def test_doubtful_lines_are_refused(journal, tmp_path, text):
    header, first, *_ = journal.read_text().splitlines()
    (tmp_path / "j").write_text("\n".join([header, first, text, ""]), encoding="latin-1")
    with pytest.raises(CertifyError, match="line 3: "):
        check_offline(tmp_path / "j")


# Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample": 0}, "sample must be at least 1"),
        ({"gamma": Fraction(0)}, "gamma must lie"),
        ({"beta": Fraction(2)}, "beta must lie"),
        ({"fresh_seed": -1}, "fresh_seed must lie"),
        ({"independent": "x"}, "unknown implementation"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(CertifyError, match=message):
        AuditSettings(**change)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_journal_may_come_from_a_pipe(journal, cut):
    content = journal.read_bytes()
    out, into = os.pipe()
    os.write(into, content[: len(content) - cut])
    os.close(into)
    try:
        if cut:
            with pytest.raises(CertifyError, match="last line is torn"):
                check_offline(f"/dev/fd/{out}")
        else:
            assert check_offline(f"/dev/fd/{out}").findings == check_offline(journal).findings
    finally:
        os.close(out)
