"""Every forgery that an independent review made, and the kinds that they are of."""

import json
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import (
    AuditSettings,
    CertifyError,
    Job,
    KeySource,
    Settings,
    Verdict,
    Witness,
    audit,
    certify_dataset,
    check_offline,
    make_data,
    run_audit,
)
from qrobust.certify.auditing.rerun import audit_job, recount
from qrobust.certify.run.journal import chain
from qrobust.certify.run.keys import plan_hash

from ..tiny_models import linear

SETTINGS = Settings(n0=20, n=200)
BETA = Fraction(1, 100)


@pytest.fixture(scope="module")
def job(classifier):
    return Job(classifier, SETTINGS, sigma="30", classes=3, threads=1)


@pytest.fixture(scope="module")
def journal(job, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "j"
    list(certify_dataset(job, data, out=path))
    return path


def values_of(journal):
    return [json.loads(text) for text in journal.read_text().splitlines()]


def rewritten(values, path, *, rechain=True):
    """A journal of some lines, with every chain made anew as a clever forger would."""
    previous = ""
    for value in values:
        if rechain:
            value["chain"] = chain(previous, value)
        previous = value["chain"]
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def edited(journal, path, line, change, *, rechain):
    values = values_of(journal)
    values[line - 1].update(change)
    return rewritten(values, path, rechain=rechain)


def bad(*args, **kwargs):
    return [(f.line, f.index, f.reason) for f in audit(*args, **kwargs) if not f.reproduced]


def test_all_reproduce(journal, classifier, data):
    findings = list(audit(journal, classifier, data))
    assert len(findings) == 12
    assert all(f.reproduced for f in findings)


@pytest.mark.parametrize("kernels", ["builtin", "reference"])
def test_other_kernels_reproduce(journal, classifier, data, kernels):
    assert not bad(journal, classifier, data, kernels=kernels)


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


# Keys


def certified(job, data, path, **change):
    list(certify_dataset(replace(job, **change), data, out=path))
    return check_offline(path)


def test_witnessed_is_what_the_auditor_says(job, data, tmp_path):
    keys = KeySource(level="witnessed", nonce="beacon 17", source="a beacon", round="17")
    checked = certified(job, data, tmp_path / "j", keys=keys)
    assert not checked.failed
    published = checked.head.plan_sha256

    def level(*witness):
        value = Verdict(checked, None, Witness(*witness), BETA).to_json()
        return value["key"], value["stands"]

    assert level("beacon 17", published) == ("witnessed", True)
    assert level() == ("derived", True)
    assert level("beacon 18", published) == ("derived", False)
    assert level("beacon 17", "0" * 64) == ("derived", False)
    assert level("beacon 17", None) == ("derived", False)
    text = Verdict(checked, None, Witness(), BETA).text()
    assert "claims a witnessed key" in text


def test_a_forged_witness_counts_as_derived(job, data, tmp_path):
    """Its owner ground nonces until he liked the draws; only the auditor's own nonce tells."""
    grown = []
    for nonce in range(3):
        keys = KeySource(level="witnessed", nonce=f"n{nonce}", source="me", round="1")
        grown.append(certified(job, data, tmp_path / f"j{nonce}", keys=keys))
    best = max(grown, key=lambda c: sum(x.radius_q16 for x in c.certificates.values()))
    assert not best.failed
    verdict = Verdict(best, None, Witness("the published one", best.head.plan_sha256), BETA)
    assert not verdict.stands
    assert Verdict(best, None, Witness(), BETA).to_json()["key"] == "derived"


def test_fresh_keys_are_journaled_and_audited(job, data, classifier, tmp_path):
    checked = certified(job, data, tmp_path / "j", keys=KeySource(level="fresh"))
    assert len({c.key for c in checked.certificates.values()}) == 12
    assert not bad(tmp_path / "j", classifier, data)


def test_chosen_seeds_are_called_so(job, data, tmp_path):
    checked = certified(job, data, tmp_path / "j", keys=KeySource(level="chosen", seed=3))
    assert "key chosen" in Verdict(checked, None, Witness(), BETA).text()
    assert Verdict(checked, None, Witness("n", "h"), BETA).stands is False


# Another implementation, another key


@pytest.mark.parametrize("kind", ["reference", "numpy"])
def test_votes_drawn_again_independently(journal, classifier, data, kind):
    checked = check_offline(journal)
    settings = AuditSettings(sample=2, independent=kind, threads=1)
    audited = run_audit(checked, classifier, data, settings)
    assert not checked.failed
    assert "sampler of certify/core" in Verdict(checked, audited, Witness(), BETA).text()
    line = checked.certificates[4]
    most, *rest = sorted(range(3), key=lambda c: -line.votes[c])
    votes = list(line.votes)
    votes[most], votes[rest[0]] = votes[most] - 1, votes[rest[0]] + 1
    checked.certificates[4] = replace(line, votes=tuple(votes))
    with audit_job(checked, classifier, None, 1).certifier() as certifier:
        found = recount(checked, certifier, data, 4, kind=kind)
    assert f"votes are {votes}, drawn again independently {list(line.votes)}" in found.reason


def fitted(noise):
    """int8[2, coordinates]: a linear network that answers 0 on all these draws of gray."""
    w = np.linalg.lstsq(noise.astype(float), np.ones(len(noise)), rcond=None)[0]
    w = np.round(w * 31 / np.abs(w).max()).astype(int)  # `linear` stores four times as much
    assert (noise @ w > 0).mean() > 0.99
    return np.stack([w, -w])


@pytest.fixture(scope="module")
def adversary(tmp_path_factory):
    """A network fitted to the draws of seed 0, as `--seed 0` would have them."""
    coordinates, sigma, n = 1024, 16, 300
    rough = linear(np.ones((2, coordinates)))
    from qrobust.certify import Certifier

    gray = np.full(coordinates, 128, np.uint8)
    with Certifier(rough, sigma=sigma, classes=2, seed=0, threads=1) as certifier:
        draws = [
            certifier.copies(gray, count, purpose=purpose).astype(int) - 128
            for purpose, count in ((0, 20), (1, n))
        ]
    weights = fitted(np.concatenate(draws))
    # Label 0 only where all draws are: on fresh noise it is seldom.
    margin = int(np.sort(np.concatenate(draws) @ weights[0])[4])
    offset = int(128 * weights[0].sum()) + margin
    file = linear(weights, bias=[-offset, offset], output_shift=6)
    return file, make_data(gray[None], np.array([0])), Settings(n0=20, n=n)


def test_a_network_fitted_to_a_seed(adversary, tmp_path):
    file, data, settings = adversary
    job = Job(file, settings, sigma="16", classes=2, threads=1)
    default = certified(job, data, tmp_path / "derived")
    assert all(c.label != 0 for c in default.certificates.values())
    chosen = certified(job, data, tmp_path / "j", keys=KeySource(level="chosen", seed=0))
    (certificate,) = chosen.certificates.values()
    assert (certificate.label, certificate.correct) == (0, True)
    assert certificate.radius > 16
    assert not bad(tmp_path / "j", file, data)  # it reproduces, to the last vote
    audited = run_audit(chosen, file, data, AuditSettings(fresh_seed=77, threads=1))
    verdict = Verdict(chosen, audited, Witness(), BETA)
    assert verdict.refuted == [2]
    assert verdict.certified == 0
    assert not verdict.stands
    assert "1 of 1 certified lines refuted" in verdict.text()
    assert ": refuted" in verdict.text()


@pytest.mark.parametrize("method", ["clopper_pearson", "two_class", "sequential", "anytime"])
def test_true_certificates_are_not_refuted(classifier, data, tmp_path, method):
    settings = Settings(method=method, n0=20, n=400, radius="4" if method == "sequential" else None)
    job = Job(classifier, settings, sigma="30", classes=3, threads=1)
    checked = certified(job, data, tmp_path / "j")
    assert not checked.failed
    audited = run_audit(checked, classifier, data, AuditSettings(fresh_seed=5, threads=1))
    assert audited.fresh
    assert not any(f.refuted for f in audited.fresh)
    assert all(0 < f.shortfall < 0.5 for f in audited.fresh)
    # A weak audit says that it is weak.
    weak = run_audit(checked, classifier, data, AuditSettings(fresh_seed=5, fresh_n=50, threads=1))
    assert max(f.shortfall for f in weak.fresh) > max(f.shortfall for f in audited.fresh)


def test_a_claim_too_high_by_the_shortfall_is_refuted(classifier, data, tmp_path):
    """The printed shortfall is honest: such a claim is refuted in about 95 of 100 audits."""
    from qrobust.certify.auditing.fresh import _refuted, found_shortfall

    p0, n, level = int(0.9 * 2**48), 1000, Fraction(1, 1000)
    shortfall = float(found_shortfall(p0, n, level))
    rng = np.random.default_rng(0)
    votes = rng.binomial(n, 0.9 - shortfall, 2000)
    refuted = np.mean([_refuted(int(k), n, p0, level) for k in votes])
    assert 0.92 < refuted < 0.98
    honest = rng.binomial(n, 0.9, 2000)
    assert np.mean([_refuted(int(k), n, p0, level) for k in honest]) < 0.004


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
