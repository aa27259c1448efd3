import platform
from dataclasses import asdict

import pytest

from qrobust.planning.machine import Load, Machine, cpu_name, load_average


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n\nmodel name\t: another\n", "A CPU @ 2 GHz"),
        ("processor : 0\nHardware : BCM2835\nModel : A Board 2\n", "A Board 2"),
        ("processor : 0\nHardware\t: MT6765\n", "MT6765"),
    ],
)  # fmt: skip
def test_names_of_processors(tmp_path, text, name):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert cpu_name(path) == name


def test_a_system_that_does_not_say(tmp_path):
    assert cpu_name(tmp_path / "none") in (platform.processor(), platform.machine())


def test_no_machine_is_named():
    said = str(asdict(Machine.here()))
    assert platform.node() not in said
    assert "/" not in said.replace("w/", "")


def test_whether_others_used_it():
    assert Load(before=0.1, cores=2, share=0.97).busy == ""
    assert Load(before=None, cores=2, share=0.97).busy == ""
    assert Load(before=1.5, cores=2, share=0.97).busy == "the load was 1.5 on 2 cores"
    both = Load(before=3.0, cores=2, share=0.5).busy
    assert both.endswith("on 2 cores and threads at work had a core for 50% of the time")
    assert load_average() is None or load_average() >= 0
