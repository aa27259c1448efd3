import csv
from dataclasses import replace

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.report import write_report as module
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.write_report import write_report

from ..run.test_certificate import CERTIFICATE

RUN = [replace(CERTIFICATE, index=i, radius_q16=i << 16, n=10 + 100 * i) for i in range(10)]
OTHER = [replace(c, radius_q16=c.radius_q16 // 2, y=c.y if c.index else 0) for c in RUN]


def test_curve_is_the_share_at_every_radius():
    radii, shares = Summary(OTHER).curve()
    for radius, share in zip(radii[1:], shares[1:], strict=True):
        assert share == Summary(OTHER).share(radius).value
    assert (radii[0], shares[0]) == (0, 0.9)


def test_files(tmp_path):
    pytest.importorskip("matplotlib")
    written = write_report({"a": RUN, 'b, "half"': OTHER}, tmp_path / "deep" / "er")
    assert {p.name for p in written} == {
        "certified_accuracy.csv", "report.md", "certified_accuracy.png", "samples.png"
    }  # fmt: skip
    for path in written:
        assert path.suffix != ".png" or path.read_bytes().startswith(b"\x89PNG")
    with open(written[0], newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"a", 'b, "half"'}
    assert float(rows[3]["certified_accuracy"]) == 0.8
    assert "| 0 | 100.0% (69.2% to 100.0%) |" in written[1].read_text()


def test_chosen_radii(tmp_path):
    write_report({"a": RUN}, tmp_path, radii=["5", "8.5"])
    text = (tmp_path / "report.md").read_text()
    assert "| 5 | 50.0%" in text
    assert "| 8.5 | 10.0%" in text


def test_without_matplotlib_the_tables_are_still_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "can_plot", lambda: False)
    assert [p.suffix for p in write_report({"a": RUN}, tmp_path)] == [".csv", ".md"]


def test_bad_runs(tmp_path):
    with pytest.raises(CertifyError, match="at least one certificate of every run"):
        write_report({"a": RUN, "b": []}, tmp_path)
    pixels = [replace(CERTIFICATE, norm="l0")]
    with pytest.raises(CertifyError, match="do not go into one report"):
        write_report({"a": RUN, "b": pixels}, tmp_path)
    unknown = [replace(CERTIFICATE, y=None)]
    with pytest.raises(CertifyError, match="with true classes and one without"):
        write_report({"a": RUN, "b": unknown}, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CertifyError, match="cannot write the report"):
        write_report({"a": RUN}, tmp_path / "file")
