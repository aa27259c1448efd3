import json

import pytest

from qrobust.certify import CertifyError
from qrobust.planning.bench import (
    Bench,
    Inference,
    Subject,
    Votes,
    bench_of,
    read_bench,
    text_of,
)
from qrobust.planning.machine import Load, Machine

MACHINE = Machine(cpu="A CPU", cores=2, architecture="x86_64", system="Linux", emulated=False)


def made(**change):
    values = {
        "date": "2026-11-27",
        "machine": MACHINE,
        "versions": {"ai-edge-litert": "2.3.0"},
        "kernels": "xnnpack",
        "subject": Subject(sha256="ab" * 32, bytes=20_000, input=(8, 8, 1), classes=10, sigma="64"),
        "load": Load(before=0.1, cores=2, share=0.98),
        "inferences": (Inference(batch=1, threads=1, per_s=1000.0, per_cpu_s=1100.0),),
        "votes": (
            Votes(request=64, threads=1, per_s=500.0, per_cpu_s=600.0),
            Votes(request=4096, threads=1, per_s=700.0, per_cpu_s=800.0),
            Votes(request=64, threads=2, per_s=900.0, per_cpu_s=600.0),
            Votes(request=4096, threads=2, per_s=1300.0, per_cpu_s=800.0),
        ),
        "start_s": 0.2,
        "certificate_s": 0.001,
    }  # fmt: skip
    return Bench(**(values | change))


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(text_of(made()))
    assert read_bench(path) == made()
    assert json.loads(path.read_text())["format"] == "qrobust.bench"


def test_the_rates_that_count_are_those_of_all_threads():
    assert made().votes_per_s(short=True) == 900
    assert made().votes_per_s(short=False) == 1300
    with pytest.raises(CertifyError, match="the bench holds no votes"):
        made(votes=()).votes_per_s(short=True)


def value(**change):
    return json.loads(text_of(made())) | change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "qrobust.results"}, "is no bench; qrobust bench MODEL.tflite --out FILE"),
        ({"version": 2}, "a bench of version 2, this program reads 1"),
        ({"version": True}, "a bench of version True"),
        ({"date": 3}, "date is 3"),
        ({"load": None}, "None is no object"),
        ({"host": "name"}, "unknown or missing keys: host"),
        ({"start_s": True}, "start_s is True"),
        ({"inferences": [{"batch": 1}]}, "unknown or missing keys: per_cpu_s, per_s, threads"),
        (
            {"inferences": [{"batch": 1, "threads": 1, "per_s": 0.0, "per_cpu_s": 1.0}]},
            "a rate that is not positive",
        ),
    ],
)
def test_damaged_files_are_refused(change, message):
    with pytest.raises(CertifyError, match=message):
        bench_of(value(**change), "b.json")


def test_files_that_are_no_json(tmp_path):
    path = tmp_path / "b.json"
    with pytest.raises(CertifyError, match="cannot read"):
        read_bench(path)
    path.write_text('{"format": "qrobust.bench", "format": "x"}')
    with pytest.raises(CertifyError, match="stands twice"):
        read_bench(path)
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(CertifyError, match="more than 1048576 bytes"):
        read_bench(path)
