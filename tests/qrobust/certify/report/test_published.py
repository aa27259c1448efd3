from dataclasses import replace

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.cli import main
from qrobust.certify.report.published import read_published, same_images
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.tsv import write_tsv
from qrobust.certify.report.write_report import write_report

from ..run.test_certificate import CERTIFICATE

HEAD = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
TABLE = HEAD + (
    "0\t3\t3\t0.12\t1\t0:00:03.761169\n"
    "1\t8\t8\t0.5\t1\t0:00:03.6\n"
    "2\t8\t-1\t0.0\t0\t0:00:03.6\n"
    "3\t0\t8\t0.877\t0\t0:00:03.6\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "noise_0.25.tsv"
    path.write_text(TABLE)
    return path


def test_counts_at_radii(table):
    run = read_published(table)
    # .12 = 30.6 LSB, rounded down, .5 = 127.5 LSB; an abstention and a wrong label count nowhere.
    counted = {r: run.share(r).certified for r in ("0", "30.59", "30.7", "127.5", "127.6", "223")}
    assert counted == {"0": 2, "30.59": 2, "30.7": 1, "127.5": 1, "127.6": 0, "223": 0}
    assert (run.images, run.abstained, run.labelled, run.samples) == (4, 1, True, 0)
    assert "cannot be audited" not in run.statements[0] and "nothing" in run.statements[0]


def test_our_own_table_comes_back(tmp_path):
    ours = [replace(CERTIFICATE, index=i, radius_q16=i * 99_991, y=2 - i % 2) for i in range(9)]
    write_tsv(ours, tmp_path / "t.tsv")
    back = read_published(tmp_path / "t.tsv")
    for radius in (0, 1, 5.5, 9, 12):
        assert back.share(str(radius)).certified == Summary(ours).share(str(radius)).certified


def test_a_report_lays_it_over_a_journal(table, tmp_path):
    ours = [replace(CERTIFICATE, index=i, radius_q16=40 << 16, y=2) for i in range(3)]
    write_report({"ours": ours, "theirs": read_published(table)}, tmp_path / "r", radii=["0", "40"])
    text = (tmp_path / "r" / "report.md").read_text()
    assert "| 40 | 100.0% (29.2% to 100.0%) | 25.0% (0.6% to 80.6%) |" in text
    assert "| theirs | 4 | 1 | ? | as published | ? |" in text
    assert "nothing here can be audited" in text


def test_the_command_reads_tables(table, tmp_path, capsys):
    status = main(
        ["report", f"theirs={table}", str(table), "--same-images", "--out", str(tmp_path)]
    )
    assert status == 0
    assert "| 127.5 | 25.0%" in (tmp_path / "report.md").read_text()


def test_the_same_images(table):
    ours = Summary([replace(CERTIFICATE, index=i, y=y) for i, y in ((1, 8), (3, 0), (9, 1))])
    runs = same_images({"ours": ours, "theirs": read_published(table)})
    assert [[c.index for c in run.certificates] for run in runs.values()] == [[1, 3], [1, 3]]
    assert runs["theirs"].images == 2 and "published" in runs["theirs"].statements[0]
    other = Summary([replace(CERTIFICATE, index=1, y=7)])
    with pytest.raises(CertifyError, match="image 1 is of class 7 and 8"):
        same_images({"ours": other, "theirs": read_published(table)})
    with pytest.raises(CertifyError, match="no image in common"):
        same_images(
            {"ours": Summary([replace(CERTIFICATE, index=50)]), "theirs": read_published(table)}
        )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "does not begin"),
        ("idx label\n", "does not begin"),
        (HEAD, "holds no image"),
        (HEAD + "0\t3\t3\t0.12\t1\n", "line 2: 5 cells"),
        (HEAD + "0\t3\t3\tnan\t1\t0\n", "radius is 'nan'"),
        (HEAD + "0\t3\t3\t-1\t1\t0\n", "radius is '-1'"),
        (HEAD + "0\t3\t3\t1/0\t1\t0\n", "radius is '1/0'"),
        (HEAD + "x\t3\t3\t1\t1\t0\n", "idx is 'x'"),
        (HEAD + "-1\t3\t3\t1\t1\t0\n", "idx -1"),
        (HEAD + "0\t3\t4\t1\t1\t0\n", "is correct=1"),
        (HEAD + "0\t3\t3\t1\t0\t0\n", "is correct=0"),
        (HEAD + "0\t-1\t-1\t1\t1\t0\n", "is correct=1"),
        (HEAD + "0\t3\t3\t1\t1\t0\n" * 2, "line 3: image 0 a second time"),
        ("idx\u00e9", "no plain text"),
    ],
)
def test_what_is_no_table(text, word, tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CertifyError, match=word):
        read_published(path)


def test_no_file(tmp_path):
    with pytest.raises(CertifyError, match="cannot read .*No such file"):
        read_published(tmp_path / "none.tsv")
