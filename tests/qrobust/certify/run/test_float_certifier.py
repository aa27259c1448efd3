"""A callable sees the very copies that the file sees, and its journal says what is on trust."""

import json

import numpy as np
import pytest

from qrobust.certify import (
    Certifier,
    CertifyError,
    FloatCertifier,
    KeySource,
    Settings,
    audit,
    certify_dataset,
    check_offline,
    read_certificates,
    read_summary,
    run_audit,
)
from qrobust.certify.auditing.audit import AuditSettings
from qrobust.certify.auditing.verdict import Verdict, Witness
from qrobust.certify.cli import main
from qrobust.certify.run.batch import Job

SETTINGS = Settings(n0=20, n=300)
KEEP = ("index", "label", "radius_q16", "votes", "pilot_votes", "key", "input_sha256", "y")


@pytest.fixture
def integers(weights):
    """The file's own sum in NumPy: sat(floor(weights @ x / 8 + 1/2)) of 20 pixels."""

    def scores(x):
        flat = x.reshape(len(x), -1).astype(np.int64)
        return np.clip((flat @ weights.T.astype(np.int64) + 4) >> 3, -128, 127)

    return scores


def make(scores, **options):
    given = {
        "shape": (5, 4, 1),
        "classes": 3,
        "sigma": 30,
        "identity": b"weights",
        "runtime": "NumPy",
        "seed": 7,
    }
    return FloatCertifier(scores, **(given | options))


def test_the_same_integers_of_the_same_streams(classifier, integers, data, tmp_path):
    job = Job(classifier, SETTINGS, sigma="30", classes=3, keys=KeySource(level="chosen", seed=7))
    of_file = list(certify_dataset(job, data, out=tmp_path / "file.jsonl"))
    for batch in (256, 7):  # neither a multiple of the samples
        certifier = make(integers, batch_size=batch)
        made = list(
            certifier.certify_dataset(data, out=tmp_path / f"{batch}.jsonl", settings=SETTINGS)
        )
        for mine, theirs in zip(made, of_file, strict=True):
            assert [getattr(mine, k) for k in KEEP] == [getattr(theirs, k) for k in KEEP]
            assert (mine.kernels, mine.runtime, mine.portable) == ("callable", "NumPy", False)
    assert len({c.label for c in of_file}) > 1


def test_copies_predict_and_other_methods(classifier, integers, images):
    with Certifier(classifier, sigma=30, classes=3, seed=7) as file:
        mine = make(integers)
        np.testing.assert_array_equal(mine.copies(images[1], 9), file.copies(images[1], 9))
        for index, x in enumerate(images[:4]):
            assert mine.predict(x, n=200, index=index) == file.predict(x, n=200, index=index)
            assert mine.classify(x) == file.classify(x)
            options = {"method": "sequential", "radius": "10", "n": 500, "index": index}
            assert mine.certify(x, **options).votes == file.certify(x, **options).votes


def test_another_identity_draws_other_noise(integers, images):
    one, two = (make(integers, seed=None, identity=name) for name in (b"one", b"two"))
    assert one.certify(images[0], n=50).key != two.certify(images[0], n=50).key
    assert one.certify(images[0], n=50).model_sha256 != two.certify(images[0], n=50).model_sha256


@pytest.fixture
def journal(integers, data, tmp_path):
    path = tmp_path / "float.jsonl"
    list(make(integers).certify_dataset(data, out=path, settings=SETTINGS))
    return path


def test_a_journal_says_what_is_on_trust(journal, data):
    assert "on trust" in " ".join(read_summary(journal).statements)
    verdict = Verdict(check_offline(journal), None, Witness(), AuditSettings().beta)
    assert verdict.stands
    assert "no integer file" in verdict.text() and "on_trust" in verdict.to_json()


def test_an_audit_takes_the_callable(journal, integers, data):
    assert all(finding.reproduced for finding in audit(journal, make(integers), data))
    fresh = AuditSettings(fresh_seed=5, fresh_n=200)
    audited = run_audit(check_offline(journal), make(integers), data, fresh)
    assert audited.fresh and not any(f.refuted for f in audited.fresh)


def test_an_audit_finds_another_classifier(journal, integers, data):
    def other(x):
        scores = integers(x).copy()
        scores[:, 0] += 3
        return scores

    findings = list(audit(journal, make(other), data))
    assert any("votes is" in finding.reason for finding in findings)


def test_an_audit_refuses_what_it_was_not_made_with(journal, integers, data):
    for options, word in (
        ({"identity": b"other"}, "another model"),
        ({"sigma": 31}, "says sigma"),
        ({"runtime": "another"}, "made with NumPy, here is another"),
    ):
        with pytest.raises(CertifyError, match=word):
            list(audit(journal, make(integers, **options), data))
    with pytest.raises(CertifyError, match="no other implementation"):
        run_audit(check_offline(journal), make(integers), data, AuditSettings(independent="numpy"))


def test_the_command_refuses_and_checks_offline(journal, classifier, data, tmp_path, capsys):
    model, inputs = tmp_path / "m.tflite", tmp_path / "d.npz"
    model.write_bytes(classifier)
    np.savez(inputs, x=data.x, y=data.y)
    assert main(["audit", str(journal), str(model), str(inputs)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "which no file holds" in line and "--offline" in line
    assert main(["audit", str(journal), "--offline"]) == 0


def test_an_edited_vote_does_not_pass_offline(journal):
    lines = journal.read_text().splitlines()
    value = json.loads(lines[1])
    value["votes"][value["candidate"]] -= 40
    value["votes"][(value["candidate"] + 1) % 3] += 40
    lines[1] = json.dumps(value, separators=(",", ":"))
    journal.write_text("\n".join(lines) + "\n")
    assert check_offline(journal).failed


def test_a_journal_is_resumed(journal, integers, data):
    whole = journal.read_text()
    lines = whole.splitlines(keepends=True)
    journal.write_text("".join(lines[:5]))
    again = list(make(integers).certify_dataset(data, out=journal, settings=SETTINGS))
    assert [c.index for c in again] == list(range(4, 12))
    full = [c.votes for c in read_certificates(journal)]
    assert full == [tuple(json.loads(line)["votes"]) for line in lines[1:13]]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"shape": ()}, "1 to"),
        ({"classes": 1}, "classes"),
        ({"identity": b""}, "say what is certified"),
        ({"runtime": ""}, "say what is certified"),
        ({"low": 3}, "low"),
        ({"sigma": 0}, "sigma"),
        ({"batch_size": 0}, "batch_size"),
        ({"step": 0.0}, "scale"),
        ({"key": "none", "seed": None}, "none"),
    ],
)
def test_what_cannot_be_is_refused(options, word, integers):
    with pytest.raises(CertifyError, match=word):
        make(integers, **options)


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        (lambda x: np.zeros((len(x), 2)), "shape"),
        (lambda x: np.zeros((len(x) - 1, 3)), "shape"),
        (lambda x: np.full((len(x), 3), np.nan), "finite"),
        (lambda x: np.zeros((len(x), 3), bool), "bool"),
    ],
)
def test_scores_that_are_none_are_refused(scores, word, images):
    with pytest.raises(CertifyError, match=word):
        make(scores).certify(images[0], n=20)
