from dataclasses import replace

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.report.tsv import tsv, write_tsv

from ..run.test_certificate import CERTIFICATE


def test_layout_of_cohen_et_al():
    abstained = replace(CERTIFICATE, label=-1, radius_q16=0, y=None)
    pixels = replace(CERTIFICATE, norm="l0", radius_q16=5 << 16, y=0)
    lines = tsv([CERTIFICATE, abstained, pixels]).splitlines()
    assert lines[0] == "idx\tlabel\tpredict\tradius\tcorrect\ttime"
    assert lines[1] == "4\t2\t2\t0.011764765\t1\t0:00:00.500000"
    assert lines[2] == "4\t-1\t-1\t0\t0\t0:00:00.500000"
    assert lines[3] == "4\t0\t2\t5\t0\t0:00:00.500000"


def test_unwritable(tmp_path):
    with pytest.raises(CertifyError, match="cannot write .*No such file"):
        write_tsv([CERTIFICATE], tmp_path / "none" / "t.tsv")
