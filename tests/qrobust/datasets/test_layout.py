"""What a user sees who has no data yet."""

import pytest

from qrobust import datasets
from qrobust.datasets import _layout

LOADERS = {
    datasets.caltech101: "101_ObjectCategories",
    datasets.cifar10: "cifar-10-python.tar.gz",
    datasets.mnist: "mnist.npz",
    datasets.speech_commands: "speech_commands_v0.02.tar.gz",
    datasets.svhn: "train_32x32.mat",
}


@pytest.mark.parametrize("loader", LOADERS, ids=lambda f: f.__name__)
def test_says_where_it_looked_and_how_to_fill_it(loader, tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError) as caught:
        loader(nowhere)
    message = str(caught.value)
    assert str(nowhere) in message
    assert LOADERS[loader] in message
    assert "QROBUST_DATA" in message
    monkeypatch.setenv("QROBUST_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        loader()


def test_missing_package():
    with pytest.raises(ImportError, match="pip install no-such-thing"):
        _layout.need("no_such_thing", package="no-such-thing")
