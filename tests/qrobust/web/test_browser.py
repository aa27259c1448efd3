"""The page in headless Chromium: Python's votes, labels and radii, and journals that stand."""

import base64
import io
import os
import shutil

import numpy as np
import pytest
from house import ROOT
from page_in_browser import chromium, use_page
from PIL import Image

from qrobust import cli
from qrobust.certify import Certifier
from qrobust.certify.run.data import Data
from qrobust.datasets import cifar10, digits
from qrobust.web import write_page

SEED, N, ALPHA = 2**40 + 3, 300, "0.001"
DIGITS = ROOT / "models" / "digits" / "model.tflite"
CIFAR = ROOT / "models" / "cifar10_resnet8_w4a4" / "model.tflite"
FIELDS = ("label", "candidate", "radius_q16", "decision", "key", "input_sha256", "model_sha256")
COUNTS = ("votes", "pilot_votes")


@pytest.fixture(scope="module", autouse=True)
def tools():
    for name in ("clang", "wasm-ld"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    if chromium() is None:
        pytest.skip("Chromium is not installed")


def in_browser(model, folder, x, *, n, pilot):
    """Python's certificates of some pictures, and what the page says of them."""
    write_page(model, folder, n=(n,), pilot=pilot, alpha=ALPHA, samples=Data(x))
    jobs = [{"sample": index, "n": n, "seed": str(SEED)} for index in range(len(x))]
    found = use_page(folder, jobs)
    with Certifier(model, seed=SEED, threads=1) as certifier:
        expected = [
            certifier.certify(image, n0=pilot, n=n, alpha=ALPHA, index=index)
            for index, image in enumerate(x)
        ]
    return expected, found


def differing(expected, found):
    """Indices of certificates that are not the same, field by field."""
    wrong = []
    for ours, page in zip(expected, found, strict=True):
        theirs = page["certificate"]
        same = all(theirs[name] == getattr(ours, name) for name in FIELDS)
        same = same and all(tuple(theirs[name]) == getattr(ours, name) for name in COUNTS)
        if not same or page["shown"] != list(ours.votes):
            wrong.append(ours.index)
    return wrong


@pytest.fixture(scope="module")
def digits_page(tmp_path_factory, tools):
    folder = tmp_path_factory.mktemp("digits")
    return folder, in_browser(DIGITS, folder, digits().test.x[:50], n=N, pilot=100)


def test_fifty_digits_get_pythons_certificates(digits_page):
    _, (expected, found) = digits_page
    assert differing(expected, found) == []
    # Both outcomes are among them, and both are said.
    decisions = {ours.decision for ours in expected}
    assert decisions == {"certified", "abstained"}
    for ours, page in zip(expected, found, strict=True):
        assert page["copies"] > 0
        if ours.abstained:
            assert page["verdict"].startswith("No certificate")
        else:
            assert page["verdict"].startswith(f"{ours.label}, certified within ")
            assert f" below {ours.radius:g}"[:8] in page["meaning"]


def test_a_difference_would_be_found(digits_page):
    _, (expected, found) = digits_page
    forged = [{**page, "certificate": dict(page["certificate"])} for page in found]
    votes = list(forged[7]["certificate"]["votes"])
    votes[0], votes[1] = votes[0] + 1, votes[1] - 1
    forged[7]["certificate"]["votes"] = votes
    forged[9]["certificate"]["radius_q16"] += 1
    assert differing(expected, forged) == [7, 9]


def test_another_seed_gets_other_votes(digits_page, tmp_path):
    folder, (expected, _) = digits_page
    found = use_page(folder, [{"sample": 0, "n": N, "seed": str(SEED + 1)}])
    assert differing(expected[:1], found) == [0]


@pytest.mark.thorough
def test_pictures_of_cifar10_get_pythons_certificates(tmp_path):
    if "QROBUST_DATA" in os.environ:
        x = cifar10().test.x[:6]
    else:  # no data at hand: blocks of colour, which the network knows nothing of
        blocks = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3))
        x = blocks.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    expected, found = in_browser(CIFAR, tmp_path, x, n=60, pilot=20)
    assert differing(expected, found) == []


def audit(folder, page, *, forge=lambda text: text):
    journal, data = folder / "certificate.jsonl", folder / "input.npy"
    journal.write_text(forge(page["journal"]))
    data.write_bytes(base64.b64decode(page["data"]))
    return cli.main(["audit", str(journal), str(DIGITS), str(data)])


def test_the_journal_of_the_page_stands_in_an_audit(digits_page, tmp_path, capsys):
    _, (_, found) = digits_page
    assert audit(tmp_path, found[3]) == 0, capsys.readouterr()
    assert audit(tmp_path, found[3], forge=lambda text: text.replace('"n0":100', '"n0":99')) != 0


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.mark.thorough
def test_a_picture_of_ones_own_with_fresh_bits(digits_page, tmp_path):
    folder, _ = digits_page
    colours = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    job = {"file": "mine.png", "n": N}
    extra = {"mine.png": png(colours)}
    first, second = use_page(folder, [job, job], extra=extra)
    assert first["certificate"]["key"] != second["certificate"]["key"]
    assert first["certificate"]["key_level"] == "fresh"
    assert audit(tmp_path, first) == 0
    # The integers are those that Pillow makes of the colours.
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    page = np.load(tmp_path / "input.npy")
    np.testing.assert_array_equal(page, grey.reshape(1, 8, 8, 1))


@pytest.mark.thorough
def test_a_run_that_was_stopped_leaves_nothing_behind(digits_page, tmp_path):
    _, (expected, _) = digits_page
    write_page(DIGITS, tmp_path, n=(N, 10_000), samples=Data(digits().test.x[:1]))
    long = {"stop": True, "n": 10_000}
    stopped, found = use_page(tmp_path, [long, {"sample": 0, "n": N, "seed": str(SEED)}])
    assert stopped == {"verdict": "Stopped; nothing certified.", "again": True}
    assert differing(expected[:1], [found]) == []


def test_the_page_works_without_its_server(digits_page):
    folder, _ = digits_page
    (found,) = use_page(folder, [{"offline": True}])
    # The last is in no page: the server is really gone.
    assert found == {"missing": ["gone.js"], "worker": "loaded", "page": True}
