"""Our certificates beside published ones: shares and differences are those of the same images."""

import sys

import published
import pytest
import results

from qrobust.certify.report.read import read_summary

pytestmark = pytest.mark.thorough
IMAGES = 40
FOLDER, CALLED = published.OURS["0.25"]
SHIPPED = published.shipped(FOLDER)
HEAD = "idx\tlabel\tpredict\tradius\tcorrect\ttime"


@pytest.fixture
def ours():
    return read_summary(SHIPPED[0]).certificates[:IMAGES]


@pytest.fixture
def tables(tmp_path, ours):
    """Right on every second image, at .6; one more image that ours have not."""
    for method in published.METHODS:
        (tmp_path / method).mkdir()
        rows = [
            f"{c.index}\t{c.y}\t{c.y if c.index % 2 else -1}\t0.6\t{c.index % 2}\t0:00:01"
            for c in ours
        ]
        rows.append("9999\t7\t7\t0.9\t1\t0:00:01")
        (tmp_path / method / "noise_0.25.tsv").write_text("\n".join([HEAD, *rows]) + "\n")
    return tmp_path


def run(tables, monkeypatch, folder, *more):
    monkeypatch.setattr(results, "FOLDER", folder)
    words = ["--tables", str(tables), "--images", str(IMAGES), "--record", "beside", *more]
    monkeypatch.setattr(sys, "argv", ["benchmarks/published.py", *words])
    assert published.main() == 0
    return results.read("beside", folder).counts, results.read("beside_curves", folder).counts


def right(certificates):
    return sum(bool(c.correct) and not c.abstained for c in certificates)


def test_differences_are_of_the_same_images(tables, ours, monkeypatch, tmp_path):
    rows, curves = run(tables, monkeypatch, tmp_path)
    mine = right(ours)
    assert rows[0]["certified at 0.5"] == {"count": mine, "of": IMAGES}
    # A sequential journal is about one radius; two ship.
    quarter = read_summary(SHIPPED[1]).certificates[:IMAGES]
    assert rows[0]["certified at 0.25"] == {"count": right(quarter), "of": IMAGES}
    assert rows[0]["certified at 0.75"] == "-"
    theirs = rows[1]
    assert theirs["certified at 0.5"] == {"count": IMAGES // 2, "of": IMAGES}
    assert theirs["certified at 0.75"] == {"count": 0, "of": IMAGES}
    points = 100 * (mine - IMAGES // 2) / IMAGES
    assert theirs["ours minus these at 0.5"].startswith(f"{points:+.1f} (")
    assert theirs["ours minus these at 0.75"] == "-"
    at_half = next(row for row in curves if row["radius"] == "0.5")
    assert at_half[CALLED] == rows[0]["certified at 0.5"]


def test_a_table_of_other_images_is_refused(tables, monkeypatch, tmp_path):
    path = tables / "gaussian" / "noise_0.25.tsv"
    lines = path.read_text().splitlines()
    cells = lines[3].split("\t")
    cells[1] = str((int(cells[1]) + 1) % 10)
    cells[2], cells[4] = "-1", "0"
    lines[3] = "\t".join(cells)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(Exception, match="other data"):
        run(tables, monkeypatch, tmp_path)


def test_journals_of_other_noise_are_refused(tables, monkeypatch, tmp_path):
    for method in published.METHODS:
        path = tables / method / "noise_0.25.tsv"
        path.with_name("noise_0.5.tsv").write_bytes(path.read_bytes())
    ours = ["--sigma", "0.5", "--ours", f"mine={SHIPPED[0]}"]
    with pytest.raises(SystemExit, match="of sigma 63.75 LSB, and the tables of 127.5"):
        run(tables, monkeypatch, tmp_path, *ours)


def test_another_network_goes_by_its_own_name(tables, ours, monkeypatch, tmp_path):
    other = "cifar10_resnet20_w4a4"
    rows, _ = run(tables, monkeypatch, tmp_path, "--network", other)
    theirs = read_summary(published.shipped(other)[0]).certificates[:IMAGES]
    assert rows[0]["network"] == f"this package, {other}"
    assert rows[0]["certified at 0.5"] == {"count": right(theirs), "of": IMAGES}
    given, _ = run(tables, monkeypatch, tmp_path, "--ours", f"mine={SHIPPED[0]}")
    assert given[0]["network"] == "this package, journals given"


def test_a_network_without_journals_and_two_sources_are_refused(tables, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="models/nobody has no certificates"):
        run(tables, monkeypatch, tmp_path, "--network", "nobody")
    with pytest.raises(SystemExit, match="2"):
        run(tables, monkeypatch, tmp_path, "--network", FOLDER, "--ours", f"mine={SHIPPED[0]}")
