"""Bundles under certify and audit: votes against the rules written down again, drawn anew."""

import json
from itertools import count

import numpy as np
import pytest

from qrobust.certify import Certifier
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.auditing import independent
from qrobust.certify.cli import main
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle
from qrobust.certify.run import answers

from .bundles import BUNDLES, MEMBERS, constant, expected
from .tiny_models import linear

SIGMA, KEY = 30, (11, 4)


@pytest.fixture
def files(tmp_path, images):
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(len(images)) % 3)
    for rule, bundle in BUNDLES.items():
        (tmp_path / f"{rule}.bundle").write_bytes(bundle.to_bytes())
    return tmp_path


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("rule", BUNDLES)
def test_votes_are_those_of_the_rule(rule, images, trusted):
    """In blocks that are no whole batches, from a sample in the middle, on several lanes."""
    bundle = BUNDLES[rule]
    with Certifier(
        bundle.to_bytes(), sigma=SIGMA, classes=3, threads=2, batch_size=8, trusted=trusted
    ) as certifier:
        seen = set()
        for x in images[:2]:
            copies = certifier.copies(x, 77, key=KEY, start=130)
            labels, asked = expected(bundle, copies, KEY, Purpose.BOUND, 130)
            before = certifier.counter.evaluations
            votes = certifier.votes(x, 77, key=KEY, start=130)
            assert votes.tolist() == np.bincount(labels, minlength=3).tolist()
            assert certifier.counter.evaluations - before == sum(asked)
            seen |= set(asked)
    # Some stopped, some did not.
    assert seen == {DRAW: {1}, ADAPTIVE: {1, 2, 3}, CONSENSUS: {2, 3}}[rule]


@pytest.mark.parametrize("rule", [ADAPTIVE, CONSENSUS])
def test_the_label_without_noise_is_the_rules(rule, images):
    with Certifier(BUNDLES[rule].to_bytes(), sigma=SIGMA, classes=3, threads=1) as certifier:
        labels, _ = expected(BUNDLES[rule], images)
        assert [certifier.classify(x) for x in images] == labels


def test_draws_of_pilot_and_bound_are_independent_and_fair():
    """Chi-square of tickets 1 : 2 : 1, and of pairs of the two streams, at p > 1e-4."""
    from scipy import stats

    words = answers.Words()
    drawn = [
        answers.drawn_members(BUNDLES[DRAW], words, (KEY, purpose, 0), 20_000)
        for purpose in (Purpose.PILOT, Purpose.BOUND)
    ]
    for found in drawn:
        assert stats.chisquare(np.bincount(found), [5000, 10_000, 5000]).pvalue > 1e-4
    table = np.zeros((3, 3))
    np.add.at(table, tuple(drawn), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-4


# --- the mixture, and not one of its members --------------------------------------------------


def mixture(count=2, weights=(1, 1)):
    members = tuple(constant(k % 2) for k in range(count))
    return Bundle(DRAW, members, weights).to_bytes()


def certificates(content, n=1000):
    with Certifier(content, sigma=SIGMA, classes=2, threads=2) as certifier:
        return [
            certifier.certify(np.full(4, 100 + i), n=n, alpha="0.001", index=i) for i in range(20)
        ]


def test_two_constant_networks_abstain():
    """Labels 0 and 1 with probability 1/2 each: nothing can be certified, whatever the input."""
    found = certificates(mixture())
    assert all(certificate.abstained for certificate in found)
    shares = [certificate.votes[0] / certificate.n for certificate in found]
    assert 0.4 < min(shares) and max(shares) < 0.6


def test_a_draw_an_image_would_certify_them(monkeypatch):
    """The planted fault that the test above is for: one member answers all copies of an image."""

    def once(bundle, words, place, count):
        key, purpose, _ = place
        return np.repeat(words.take(key, 4 + purpose, 0, 1) >> np.uint64(63), count).astype(int)

    monkeypatch.setattr(answers, "drawn_members", once)
    with Certifier(mixture(), sigma=SIGMA, classes=2, threads=1, trusted=True) as certifier:
        found = [certifier.certify(np.full(4, i), n=1000, index=i) for i in range(20)]
    # Pilot and bound draw each for itself: about half of the images go wrong.
    assert any(not certificate.abstained for certificate in found)


def test_a_mixture_of_three_to_one_is_certified_for_its_larger_part():
    content = Bundle(DRAW, (constant(0), constant(1)), (1, 3)).to_bytes()
    found = certificates(content, n=2000)
    assert all(certificate.label == 1 for certificate in found)
    # p = 3/4 exactly: no radius may pass sigma Phi^-1(3/4) = .6745 sigma.
    assert all(0 < certificate.radius <= 0.6745 * SIGMA for certificate in found)


# --- journals -----------------------------------------------------------------------------------


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("rule", BUNDLES)
def test_a_journal_names_the_bundle_and_stands(rule, files, capsys):
    model, data, out = files / f"{rule}.bundle", files / "data.npz", files / "c.jsonl"
    options = ["--sigma", str(SIGMA), "--n", "300", "--quiet", "--classes", "3"]
    assert main([str(model), str(data), "--out", str(out), *options]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["plan"]["model_sha256"] == BUNDLES[rule].sha256
    assert {line["model_sha256"] for line in lines[1:-1]} == {BUNDLES[rule].sha256}
    assert "members a vote" in capsys.readouterr().out
    audit = ["audit", str(out), str(model), str(data), "--quiet"]
    assert main(["audit", str(out), "--offline", "--quiet"]) == 0
    assert main([*audit, "--sample", "3", "--independent", "numpy"]) == 0
    assert main([*audit, "--sample", "1", "--independent", "reference"]) == 0
    assert main([*audit, "--fresh-seed", "9"]) == 0


def test_another_order_or_threshold_is_another_model(files, capsys):
    model, data, out = files / "adaptive.bundle", files / "data.npz", files / "c.jsonl"
    options = ["--sigma", str(SIGMA), "--n", "300", "--quiet", "--classes", "3"]
    assert main([str(model), str(data), "--out", str(out), *options]) == 0
    other = Bundle(ADAPTIVE, MEMBERS, (3, 2, 1), thresholds=(500, 641))
    model.write_bytes(other.to_bytes())
    assert main(["audit", str(out), str(model), str(data), "--quiet"]) == 2
    assert "made with another model" in capsys.readouterr().err


def test_an_auditor_who_draws_by_another_rule_finds_a_difference(files, monkeypatch, capsys):
    model, data, out = files / "draw.bundle", files / "data.npz", files / "c.jsonl"
    options = ["--sigma", str(SIGMA), "--n", "300", "--quiet", "--classes", "3"]
    assert main([str(model), str(data), "--out", str(out), *options]) == 0
    turn = count()
    monkeypatch.setattr(independent, "drawn", lambda *_: next(turn) % 3)
    audit = ["audit", str(out), str(model), str(data), "--quiet", "--independent", "numpy"]
    assert main([*audit, "--sample", "2"]) == 1
    assert "drawn again independently" in capsys.readouterr().out


def test_a_file_that_counts_views_is_no_member(files):
    from qrobust.certify.file.smoothing_spec import SmoothingSpec, attach_spec

    file = linear(np.eye(4, dtype=int), shape=(2, 2, 1))
    from qrobust.certify.file.model_file import load_model

    spec = SmoothingSpec(None, load_model(file).grid, "splits", counting=(4, 0))
    counted = attach_spec(file, spec)
    bundle = Bundle(CONSENSUS, (counted, counted), (1, 1), first=1).to_bytes()
    with pytest.raises(CertifyError, match="single files only"):
        Certifier(bundle)
