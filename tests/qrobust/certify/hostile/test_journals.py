"""Journals that should not pass, or should be refused at once; each failing test names a hole."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import (
    Certifier,
    CertifyError,
    Job,
    KeySource,
    Settings,
    Verdict,
    Witness,
    certify_dataset,
    check_offline,
    make_data,
)
from qrobust.certify.run.keys import key_text, plan_hash

from ..auditing.journals import rewritten, values_of
from ..counting_files import counting_file


@pytest.fixture(scope="module")
def journal(classifier, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "j"
    job = Job(classifier, Settings(n0=20, n=200), sigma="30", classes=3, threads=1)
    list(certify_dataset(job, data, out=path))
    return path


def rehashed(values, path):
    plan = values[0]["plan"]
    values[0]["plan_sha256"] = plan_hash(plan)
    for value in values[1:-1]:
        value["key"] = key_text(KeySource().key(plan, value["index"]))
    return rewritten(values, path)


def refused(path):
    try:
        return bool(check_offline(path).failed)
    except CertifyError:
        return True


def test_another_norm(journal, tmp_path):
    """The core decides an L2 radius; a line that says L-inf passes, with the same number."""
    values = values_of(journal)
    for value in values[1:-1]:
        value["norm"] = "linf"
        value.pop("derived"), value.pop("radius_unit")
    assert refused(rewritten(values, tmp_path / "j"))


@pytest.mark.parametrize("noise", ["uniform", "discrete_gaussian"])
def test_another_noise(journal, tmp_path, noise):
    """The theorem is about rounded Gaussian noise; offline nobody looks at what a journal names."""
    values = values_of(journal)
    values[0]["plan"]["noise"] = noise
    for value in values[1:-1]:
        value["noise"] = noise
    assert refused(rehashed(values, tmp_path / "j"))


def test_unknown_labels_are_not_right_ones(journal, tmp_path):
    """Wrong images with y taken out count as certified accuracy."""
    values = values_of(journal)
    honest = Verdict(check_offline(journal), None, Witness(), Fraction(1, 100)).certified
    for value in values[1:-1]:
        if value["correct"] is False:
            value["y"] = value["correct"] = None
    verdict = Verdict(
        check_offline(rewritten(values, tmp_path / "j")), None, Witness(), Fraction(1, 100)
    )
    assert verdict.certified <= honest or "certified accuracy" not in verdict.text()


@pytest.mark.parametrize("stop", [10**9, 10**15, 1 << 63])
def test_a_huge_plan_ends_at_once(journal, tmp_path, stop):
    values = values_of(journal)
    values[0]["plan"]["indices"] = [[0, stop]]
    rehashed(values, tmp_path / "j")
    code = (
        "import sys; from qrobust.certify.cli import main; "
        f"sys.exit(main(['audit', '--offline', {str(tmp_path / 'j')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=15)
    assert "Traceback" not in done.stderr, done.stderr[-200:]


@pytest.mark.parametrize(("name", "new"), [("streams", 2.0), ("portable", 1)])
def test_floats_and_integers_of_the_plan(journal, tmp_path, name, new):
    values = values_of(journal)
    values[0]["plan"][name] = new
    assert refused(rehashed(values, tmp_path / "j"))


@pytest.mark.parametrize(("name", "new"), [("samples", 220.0), ("correct", 1)])
def test_floats_and_integers_of_a_line(journal, tmp_path, name, new):
    values = values_of(journal)
    line = next(v for v in values[1:-1] if v["correct"] and v["samples"] == 220)
    line[name] = new
    assert refused(rewritten(values, tmp_path / "j"))


def test_a_float_in_the_settings(journal, tmp_path):
    values = values_of(journal)
    values[3]["settings"]["n"] = 200.0
    assert refused(rewritten(values, tmp_path / "j"))


def test_a_float_in_the_closing_line(journal, tmp_path):
    values = values_of(journal)
    values[-1]["closed"] = 12.0
    assert refused(rewritten(values, tmp_path / "j"))


def test_a_pilot_of_another_size(journal, tmp_path):
    """n0 is 20 in the plan; a line with a pilot of one vote passes."""
    values = values_of(journal)
    line = values[3]
    pilot = [0, 0, 0]
    pilot[line["candidate"]] = 1
    line |= {"pilot_votes": pilot, "n0": 1, "samples": 1 + line["n"]}
    assert refused(rewritten(values, tmp_path / "j"))


def as_version_1(values, seed=0):
    plan = values[0]["plan"]
    names = ("model_sha256", "data_sha256", "noise", "sigma", "streams")
    names += ("method", "n0", "n", "alpha", "radius", "gain")
    head = {"format": "qrobust.certificates", "version": 1, "keep": None, "null": None}
    head |= {"seed": seed, "kernels": "xnnpack"} | {name: plan[name] for name in names}
    lines = []
    for value in values[1:-1]:
        kept = {k: v for k, v in value.items() if k not in ("key", "key_level", "portable")}
        kept.pop("pilot_votes")
        lines.append(kept | {"seed": seed, "keep": None, "null": None})
    return [head, *lines]


def test_version_1_makes_no_joint_statement_without_a_plan(journal, tmp_path):
    """Rewritten as version 1, with only the best lines kept: it speaks of all of two images."""
    head, *lines = as_version_1(values_of(journal))
    best = [line for line in lines if line["correct"]][:2]
    checked = check_offline(rewritten([head, *best], tmp_path / "j"))
    print(checked.failed)
    text = Verdict(checked, None, Witness(), Fraction(1, 100)).text()
    print(text)
    assert checked.failed or "certified accuracy" not in text


@pytest.mark.parametrize(
    "change", [{"streams": 999}, {"kernels": "callable"}, {"runtime": "another"}]
)
def test_a_plan_that_contradicts_itself(journal, tmp_path, change):
    values = values_of(journal)
    for value in values[1:-1]:
        value |= {k: v for k, v in change.items() if k == "streams"}
    values[0]["plan"] |= change
    assert refused(rehashed(values, tmp_path / "j"))


def test_an_alpha_below_the_samplers_error_is_a_finding_and_no_end(journal, tmp_path):
    values = values_of(journal)
    values[0]["plan"] |= {"method": "two_class", "alpha": "0." + 25 * "0" + "1"}
    for value in values[1:-1]:
        value["settings"] |= {name: values[0]["plan"][name] for name in ("method", "alpha")}
    assert check_offline(rehashed(values, tmp_path / "j")).failed


@pytest.mark.parametrize(
    ("kind", "views", "radius"),
    [
        ("bands", {"width": 1000}, 400),
        ("blocks", {"height": 200, "width": 200}, 60),
        ("bands", {"threshold": 256}, 0),
        ("ablation", {"height": 0}, 0),
        ("ablation", {"size": 200}, 90),
    ],
)
def test_views_of_another_picture(tmp_path, kind, views, radius):
    """20 pixels have no 1000 columns; a core that is told of them certifies patches of 400."""
    content = counting_file(kind)
    pictures = make_data(np.random.default_rng(4).integers(0, 256, (3, 4, 5, 1)).astype(np.uint8))
    with Certifier(content, threads=1) as certifier:
        settings = Settings(method=kind, n0=0, n=certifier.smoothing.views, alpha="0")
    list(certify_dataset(Job(content, settings, threads=1), pictures, out=tmp_path / "j"))
    assert not check_offline(tmp_path / "j").failed
    values = values_of(tmp_path / "j")
    plan = values[0]["plan"]
    plan["counting"] |= views
    sides = plan["counting"]["height"], plan["counting"]["width"]
    count = {"bands": sides[1], "blocks": sides[0] * sides[1]}.get(kind, plan["counting"]["size"])
    plan["n"] = count
    for value in values[1:-1]:
        best = value["candidate"]
        value["counting"] |= views
        value["settings"]["n"] = value["n"] = value["samples"] = count
        value["votes"] = [count if c == best else 0 for c in range(3)]
        value |= {"label": best, "radius": float(radius), "radius_q16": radius << 16}
        value["decision"] = "certified"
    values[0]["plan_sha256"] = plan_hash(plan)
    assert refused(rewritten(values, tmp_path / "f"))


def test_exponents_of_other_digits_are_bounded():
    code = (
        "from qrobust.certify.arithmetic.exact_numbers import rational; "
        "rational('1e\\u0669\\u0669\\u0669\\u0669\\u0669\\u0669\\u0669\\u0669', 'x')"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=15)
