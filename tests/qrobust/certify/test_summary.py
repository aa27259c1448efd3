from dataclasses import replace

from qrobust.certify.summary import Summary

from .test_certificate import CERTIFICATE


def test_shares_count_correct_and_certified_only():
    certificates = [
        CERTIFICATE,
        replace(CERTIFICATE, index=1, y=0),  # wrong
        replace(CERTIFICATE, index=2, label=-1, radius_q16=0),  # abstained
        replace(CERTIFICATE, index=3, radius_q16=100 << 16),
    ]
    summary = Summary(certificates)
    assert [summary.share(r) for r in (0, 3, 3.1, 100, 101)] == [0.5, 0.5, 0.25, 0.25, 0]
    assert summary.to_json()["certified_accuracy"]["64"] == 0.25
    assert "4 images, 1 abstained" in summary.text()


def test_without_labels_and_without_certificates():
    assert "certified_share" in Summary([replace(CERTIFICATE, y=None)]).to_json()
    assert Summary([]).to_json()["images"] == 0
    assert "0 images" in Summary([]).text()
