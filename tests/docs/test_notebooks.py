"""Every cell of every notebook runs, in order, from an empty folder."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path, kind="code"):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def run(path, change=lambda text: text):
    """In this process: what a kernel does, without one."""
    space = {"__name__": "__main__"}
    for number, source in enumerate(cells(path)):
        exec(compile(change(source), f"{path.name}, cell {number}", "exec"), space)
    return space


@pytest.fixture
def empty(tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    from matplotlib import pyplot

    pyplot.close("all")


def test_certificate(empty, capsys):
    found = run(FOLDER / "certificate.ipynb")["found"]
    assert found.label == 7 and found.radius > 32
    assert "no change below" in capsys.readouterr().out


@pytest.mark.thorough
def test_training(empty):
    space = run(
        FOLDER / "training.ipynb",
        lambda text: (
            text.replace("EPOCHS, IMAGES", "_, IMAGES")
            .replace("= 6, 30, 64", "= 6, 10, 64")
            .replace("epochs=EPOCHS", "epochs=1")
        ),
    )
    assert set(space["files"]) == {"with noise", "without"} and len(space["found"]) == 10


def test_a_cell_that_fails_is_named(tmp_path):
    bad = {"cells": [{"cell_type": "code", "source": ["x = 1\n", "1 / (x - 1)"]}]}
    (tmp_path / "bad.ipynb").write_text(json.dumps(bad))
    with pytest.raises(ZeroDivisionError) as failed:
        run(tmp_path / "bad.ipynb")
    assert "bad.ipynb, cell 0" in str(failed.traceback[-1].path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_listed_and_holds_no_results(path):
    assert f"({path.name})" in (FOLDER / "README.md").read_text()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert len(NOTEBOOKS) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_kernel_runs_it(path, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(path, as_version=4)
    done = nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": tmp_path}})
    done.execute()
