"""What keys are worth, and what another implementation or another key tells of a journal."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import (
    AuditSettings,
    Job,
    KeySource,
    Settings,
    Verdict,
    Witness,
    check_offline,
    make_data,
    run_audit,
)
from qrobust.certify.auditing.rerun import audit_job, recount

from ..tiny_models import linear
from .journals import bad, certified

BETA = Fraction(1, 100)


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


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    "method", ["clopper_pearson", "two_class", "sequential", "sequential_early", "anytime"]
)
def test_true_certificates_are_not_refuted(classifier, data, tmp_path, method):
    settings = Settings(
        method=method, n0=20, n=400, radius="4" if method.startswith("sequential") else None
    )
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
