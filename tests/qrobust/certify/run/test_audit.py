import json

import pytest

from qrobust.certify import CertifyError, Job, audit, certify_dataset, make_data
from qrobust.certify.run.journal import chain

from ..tiny_models import linear


@pytest.fixture(scope="module")
def journal(classifier, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "j"
    job = Job(classifier, sigma="30", n0=20, n=200, threads=1)
    list(certify_dataset(job, data, out=path))
    return path


def edited(journal, path, line, change, *, rechain):
    """A copy with one line changed and, as a clever forger would, every chain made anew."""
    values = [json.loads(text) for text in journal.read_text().splitlines()]
    values[line - 1].update(change)
    previous = ""
    for value in values:
        if rechain:
            value["chain"] = chain(previous, value)
        previous = value["chain"]
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


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
        ({"label": 7}, "label is 7"),
        ({"radius": 99.0}, "radius is 99.0"),
        ({"n": 10}, "n is 10"),
        ({"settings": {"alpha": "0.1"}}, "settings is"),
        ({"seed": 5}, "seed is 5"),
        ({"extra": 1}, "extra is 1"),
        ({"votes": "x"}, "votes is 'x'"),
        ({"index": 99}, "no image 99"),
        ({"y": 0}, "y is 0"),
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


def test_an_edited_header(journal, classifier, data, tmp_path):
    forged = edited(journal, tmp_path / "j", 1, {"n": 300}, rechain=False)
    found = bad(forged, classifier, data)
    assert "header was edited" in found[0][2]
    assert len(found) == 13


def test_a_part_of_the_lines(journal, classifier, data, tmp_path):
    forged = edited(journal, tmp_path / "j", 4, {"label": 7}, rechain=True)
    assert not bad(forged, classifier, data, every=5)
    assert bad(forged, classifier, data, every=2)
    with pytest.raises(CertifyError, match="every must be at least 1"):
        list(audit(journal, classifier, data, every=0))


def test_another_model_or_data(journal, classifier, data, images):
    with pytest.raises(CertifyError, match="made with another model"):
        list(audit(journal, linear([[1] * 20] * 3, shape=(5, 4, 1)), data))
    with pytest.raises(CertifyError, match="made with another data"):
        list(audit(journal, classifier, make_data(images)))


def test_empty_and_damaged_journals(classifier, data, tmp_path):
    (tmp_path / "j").write_bytes(b"")
    with pytest.raises(CertifyError, match="nothing to audit"):
        list(audit(tmp_path / "j", classifier, data))
    (tmp_path / "j").write_text('{"format":"qrobust.certificates","version":1}\n')
    with pytest.raises(CertifyError, match="header of .* is damaged"):
        list(audit(tmp_path / "j", classifier, data))
