import pytest

from qrobust.certify import Job, Settings, certify_dataset


@pytest.fixture(scope="module")
def job(classifier):
    return Job(classifier, Settings(n0=20, n=200), sigma="30", classes=3, threads=1)


@pytest.fixture(scope="module")
def journal(job, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "j"
    list(certify_dataset(job, data, out=path))
    return path
