import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from threading import Event

import numpy as np
import pytest

from qrobust.certify import (
    Certifier,
    CertifyError,
    Job,
    KeySource,
    Settings,
    certify_dataset,
    make_data,
    read_lines,
)


@pytest.fixture(scope="module")
def job(classifier):
    return Job(classifier, Settings(n0=20, n=200), sigma="30", classes=3, threads=1)


def lines(path):
    drop = {"seconds"}
    return [{k: v for k, v in line.value.items() if k not in drop} for line in read_lines(path)]


@pytest.fixture(scope="module")
def whole(job, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "whole.jsonl"
    assert len(list(certify_dataset(job, data, out=path))) == 12
    return path


def test_journal_holds_what_is_yielded(job, data, tmp_path):
    out = tmp_path / "j"
    certificates = list(certify_dataset(job, data, out=out, indices=[3, 1]))
    assert [c.index for c in certificates] == [3, 1]
    assert [line["votes"] for line in lines(out)[1:-1]] == [list(c.votes) for c in certificates]


def test_interrupted_and_resumed_equals_uninterrupted(job, data, whole, tmp_path):
    content = whole.read_bytes()
    for size in (10, len(content) // 3, len(content) // 2, len(content) - 1):
        out = tmp_path / f"cut{size}"
        out.write_bytes(content[:size])
        list(certify_dataset(job, data, out=out))
        assert lines(out) == lines(whole)


def test_nothing_is_done_twice(job, data, whole):
    assert list(certify_dataset(job, data, out=whole)) == []


def test_threads_as_executor(job, data, whole, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        list(certify_dataset(job, data, out=tmp_path / "j", executor=executor, window=3))
    assert lines(tmp_path / "j") == lines(whole)


def test_processes_as_executor(job, data, whole, tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        list(certify_dataset(job, data, out=tmp_path / "j", executor=executor, window=4))
    assert lines(tmp_path / "j") == lines(whole)


def test_one_long_image_keeps_nobody_from_work(job, data, whole, monkeypatch, tmp_path):
    """The first ends only when the ten others have: with few under way it would wait for ever."""
    others, run = Event(), Certifier.run
    ended = []

    def waiting(certifier, settings, x, *, index, **rest):
        assert index != 0 or others.wait(60)
        found = run(certifier, settings, x, index=index, **rest)
        ended.append(index)
        if len(ended) == 10:
            others.set()
        return found

    monkeypatch.setattr(Certifier, "run", waiting)
    job = replace(job, threads=2)
    list(certify_dataset(job, data, out=tmp_path / "j"))
    assert sorted(ended) == list(range(12)) and 0 not in ended[:10]
    assert [line["votes"] for line in lines(tmp_path / "j")[1:-1]] == [
        line["votes"] for line in lines(whole)[1:-1]
    ]


class Killer(Job):
    """A job whose worker dies at image 2."""

    def certify(self, image):
        if image.index == 2:
            os._exit(9)
        return super().certify(image)


def test_a_dead_worker_loses_nothing(classifier, data, job, whole, tmp_path):
    killer = Killer(classifier, Settings(n0=20, n=200), sigma="30", classes=3, threads=1)
    out = tmp_path / "j"
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(
            CertifyError,
            match="a worker process died; the 2 certificates .* run the same command again",
        ),
    ):
        list(certify_dataset(killer, data, out=out, executor=executor, window=1))
    assert [line["index"] for line in lines(out)[1:]] == [0, 1]
    list(certify_dataset(job, data, out=out))
    assert lines(out) == lines(whole)


def test_bad_data_is_met_before_the_work(job, images, tmp_path):
    x = images.astype(float)
    x[7, 0, 0, 0] = np.nan
    with pytest.raises(CertifyError, match="image 7 holds NaN"):
        list(certify_dataset(job, make_data(x), out=tmp_path / "j"))
    with pytest.raises(CertifyError, match="image 3 has y=3"):
        list(certify_dataset(job, make_data(images, np.arange(12) % 12), out=tmp_path / "j"))
    assert not (tmp_path / "j").exists()


def test_bad_indices(job, data, tmp_path):
    with pytest.raises(CertifyError, match="image 12 of 12"):
        list(certify_dataset(job, data, out=tmp_path / "j", indices=[12]))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"settings": Settings(n0=20, n=300)}, "n=200"),
        ({"keys": KeySource(level="chosen", seed=1)}, "level='derived'"),
        ({"sigma": "29"}, "sigma='30'"),
        ({"settings": Settings(n0=20, n=200, alpha="0.01")}, "alpha='0.001'"),
    ],
)
def test_a_journal_of_other_settings(job, data, whole, change, name):
    from dataclasses import replace

    with pytest.raises(CertifyError, match=f"is a journal with {name}"):
        list(certify_dataset(replace(job, **change), data, out=whole))


def test_a_journal_of_other_data(job, images, whole):
    with pytest.raises(CertifyError, match="is a journal with data_sha256"):
        list(certify_dataset(job, make_data(images[::-1]), out=whole))
