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


RATES = {"batch": 1, "threads": 1, "per_s": 1.0, "per_cpu_s": 1.0}
VOTES = {"request": 64, "threads": 1, "per_s": 500.0, "per_cpu_s": 600.0}
SUBJECT = {"sha256": "ab" * 32, "bytes": 1, "input": [8], "classes": 2, "sigma": None}


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
            "a number that is not positive",
        ),
        ({"inferences": [RATES | {"per_s": 10**30}]}, "or too large"),
        ({"inferences": [RATES | {"threads": -1}]}, "a number that is not positive"),
        ({"inferences": "none"}, "'n' is no object"),
        ({"inferences": 3}, "damaged bench"),
        ({"votes": []}, "or those without votes"),
        ({"start_s": None}, "votes without their start_s"),
        ({"certificate_s": -1}, "seconds and loads are"),
        ({"versions": ["Python"]}, "versions is \\['Python'\\]"),
        ({"versions": {"Python": 3}}, "versions are"),
        ({"subject": None}, "None is no object"),
        ({"subject": SUBJECT | {"input": "8x8"}}, "input is"),
        ({"subject": SUBJECT | {"input": [8, True]}}, "input is"),
        ({"subject": SUBJECT | {"input": None}}, "not iterable"),
        ({"subject": SUBJECT | {"sha256": "../x"}}, "sha256 is"),
        ({"machine": {}}, "unknown or missing keys: architecture, cores"),
        ({"load": {"before": None, "cores": 0, "share": 1.0}}, "sizes and cores are"),
        ({"load": {"before": None, "cores": 2, "share": 5}}, "share of a core is 5"),
        ({"subject": SUBJECT | {"sigma": "banana"}}, "sigma"),
        ({"subject": SUBJECT | {"sigma": "-64"}}, "sigma is -64"),
        ({"subject": SUBJECT}, "votes without sigma"),
        ({"votes": [VOTES | {"per_s": 5e-324}]}, "not positive, too small or too large"),
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
    for number in ("1e999", "NaN", "1" * 50):
        path.write_text(text_of(made()).replace('"start_s": 0.2', f'"start_s": {number}'))
        with pytest.raises(CertifyError, match="number"):
            read_bench(path)
    for text in ("", "[]", "3", "null", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(CertifyError, match="b.json"):
            read_bench(path)
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(CertifyError, match="more than 1048576 bytes"):
        read_bench(path)
