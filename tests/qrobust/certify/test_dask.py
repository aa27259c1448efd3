"""The same function on another scheduler: Dask, with a local cluster of processes."""

import json

import pytest

from qrobust.certify import Job, Settings, certify_dataset

pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, and its sockets'


def lines(path):
    return [{**json.loads(text), "seconds": 0} for text in path.read_text().splitlines()]


@pytest.mark.thorough
def test_certificates_are_the_same(classifier, data, tmp_path):
    from distributed import Client, LocalCluster

    job = Job(classifier, Settings(n0=20, n=200), sigma="30", classes=3, threads=1)
    list(certify_dataset(job, data, out=tmp_path / "here"))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        executor = client.get_executor()
        results = certify_dataset(job, data, out=tmp_path / "dask", executor=executor, window=4)
        assert len(list(results)) == len(data)
    assert lines(tmp_path / "dask") == lines(tmp_path / "here")
