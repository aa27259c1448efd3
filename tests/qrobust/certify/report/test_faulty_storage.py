"""A disk that fails at any call leaves every file of a report old or new, never between."""

import os

import pytest
from faults import Fault, Storage

from qrobust.certify import Job, Settings, SmoothingSpec, attach_spec, certify_dataset, write_report
from qrobust.certify.c99 import write as write_tables
from qrobust.certify.report import write_report as report
from qrobust.certify.report.tsv import write_tsv
from tflite_export.c_array import save_c_array

OLD = b"old"


@pytest.fixture(scope="module")
def certificates(classifier, data, tmp_path_factory):
    job = Job(classifier, Settings(n0=10, n=100), sigma="30", classes=3, threads=1)
    out = tmp_path_factory.mktemp("journal") / "c.jsonl"
    return list(certify_dataset(job, data, out=out, allow_constant=True))


@pytest.fixture(
    params=["tsv", "report", pytest.param("figures", marks=pytest.mark.slow), "tables", "array"]
)
def write(request, classifier, certificates, monkeypatch):
    if request.param == "report":  # drawing costs most of the time
        monkeypatch.setattr(report, "can_plot", lambda: False)
    spec = SmoothingSpec.for_model(classifier, sigma=30, tables=((50, "0.01"),))
    device = attach_spec(classifier, spec)
    return {
        "tsv": lambda folder: write_tsv(certificates, folder / "certs.tsv"),
        "report": lambda folder: write_report({"a": certificates}, folder),
        "figures": lambda folder: write_report({"a": certificates}, folder),
        "tables": lambda folder: write_tables(device, folder),
        "array": lambda folder: save_c_array(classifier, folder / "model.cc"),
    }[request.param]


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


@pytest.mark.ordinary(2)
def test_old_or_new(write, tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    write(tmp_path / "new")
    new = contents(tmp_path / "new")
    folder = tmp_path / "old"
    folder.mkdir()
    for failing in range(1000):
        for name in new:
            (folder / name).write_bytes(OLD)
        with monkeypatch.context() as patch:
            storage = Storage(patch, failing)
            try:
                write(folder)
                failed = False
            except (Fault, ValueError):
                failed = True
        found = contents(folder)
        assert found.keys() == new.keys(), storage.calls[-1]
        assert all(found[name] in (OLD, new[name]) for name in new), storage.calls[-1]
        if len(storage.calls) <= failing:
            break
        assert failed, storage.calls[failing]
    assert not failed
    assert failing >= 6 * len(new)
    assert found == new
