from pathlib import Path

from qrobust.datasets import data_folder


def test_order(monkeypatch):
    monkeypatch.setenv("QROBUST_DATA", "/from/environment")
    assert data_folder("given") == Path("given")
    assert data_folder() == Path("/from/environment")
    monkeypatch.setenv("QROBUST_DATA", "")
    assert data_folder() == Path("data")
    monkeypatch.delenv("QROBUST_DATA")
    assert data_folder() == Path("data")
