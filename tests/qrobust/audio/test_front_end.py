import numpy as np

from qrobust.audio import front_end, front_end_sha256


def test_another_numpy_or_another_source_is_another_front_end(monkeypatch):
    first = front_end_sha256()
    assert first == front_end_sha256() and len(first) == 64
    monkeypatch.setattr(front_end, "_FILES", front_end._FILES[:-1])
    fewer = front_end_sha256()
    monkeypatch.undo()
    monkeypatch.setattr(np, "__version__", "0")
    assert len({first, fewer, front_end_sha256()}) == 3
