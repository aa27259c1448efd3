"""Report and web page: axe-core finds nothing serious, at a phone's width and a desk's.

On demand: ``QROBUST_ONDEVICE=1 pytest -m slow tests/ondevice/accessibility`` (Chromium, npm; the
web page needs clang and lld, too).
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from page_in_browser import chromium

from ondevice.cache import default_cache
from ondevice.runtime import Unavailable

from . import axe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("QROBUST_ONDEVICE"), reason="QROBUST_ONDEVICE is not set"
    ),
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
]
WIDTHS = (360, 1280)
SERIOUS = {"serious", "critical"}
ROOT = Path(__file__).parents[3]
DIGITS = ROOT / "models" / "digits"


@pytest.fixture(scope="module")
def script():
    try:
        return axe.axe_source(default_cache())
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a few digits, with everything that it can hold but attacks."""
    from qrobust.cli import main
    from qrobust.datasets import digits

    folder = tmp_path_factory.mktemp("report")
    test = digits().test
    np.savez(folder / "d.npz", x=test.x[:12], y=test.y[:12])
    file, data = str(DIGITS / "model.tflite"), str(folder / "d.npz")
    made = {name: str(folder / f"{name}.jsonl") for name in ("c", "p", "s")}
    splits = str(ROOT / "models/digits_splits/model.tflite")
    for command in (
        ["certify", file, data, "--out", made["c"], "--n", "1000", "--quiet"],
        ["certify", splits, data, "--out", made["s"], "--quiet"],
        ["verify", file, data, "--out", made["p"], "--family", "light:4", "--quiet"],
        [
            *("report", made["c"], "--out", str(folder / "r"), "--model", file, "--data", data),
            *("--also", made["p"], "--also", made["s"], "--summary", str(DIGITS / "summary.json")),
        ],
    ):
        assert main(command) == 0
    return {"index.html": (folder / "r" / "report.html").read_bytes()}


@pytest.fixture(scope="module")
def web_page(tmp_path_factory):
    if not all(map(shutil.which, ("clang", "wasm-ld"))):
        pytest.skip("clang or lld is not installed")
    from qrobust.certify import make_data
    from qrobust.datasets import digits
    from qrobust.web import write_page

    folder = tmp_path_factory.mktemp("web")
    test = digits().test
    samples = make_data(test.x[:3].astype(np.uint8), test.y[:3])
    write_page(DIGITS / "model.tflite", folder, name="digits", n=(100,), samples=samples)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def serious(found):
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {v['nodes'][:3]}"
        for v in found["violations"]
        if v["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["report", "web_page"])
def test_nothing_serious_is_found(kind, width, script, request):
    found = axe.look(request.getfixturevalue(kind), script, width=width)
    assert found["width"] == width and found["passes"] > 10
    assert not found["scrolls"], "the page is wider than the screen"
    print(kind, width, f"{found['passes']} rules hold;", found["violations"] or "nothing found")
    assert serious(found) == []


def test_a_page_that_is_not_accessible_is_told(script):
    text = (
        '<!doctype html><html><body><img src="a.png"><p style="color:#ccc;background:#fff">pale</p>'
        '<div style="width:900px">wide</div><input></body></html>'
    )
    found = axe.look({"index.html": text.encode()}, script, width=360)
    rules = {v["id"] for v in found["violations"]}
    assert {"image-alt", "color-contrast", "html-has-lang", "label"} <= rules and found["scrolls"]
