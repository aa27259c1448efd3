"""Families around a smoothed classifier: every member certified, alpha shared, audited again."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import (
    Certifier,
    CertifyError,
    SmoothingSpec,
    attach_spec,
    load_data,
    make_data,
    read_certificates,
    read_lines,
)
from qrobust.certify.file.model_file import load_model
from qrobust.certify.run.journal import Journal
from qrobust.cli import main
from qrobust.verify.smoothed_family import joint, members_of

from .nets import file_of, picture_net


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoothed")
    plain = file_of(picture_net(6))
    (folder / "m.tflite").write_bytes(attach_spec(plain, SmoothingSpec.for_model(plain, sigma=8)))
    spec = SmoothingSpec.for_views(plain, "splits", 40)
    (folder / "s.tflite").write_bytes(attach_spec(plain, spec))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (6, 1, 1, 1)) + rng.integers(-25, 26, (6, 4, 4, 1))
    np.savez(folder / "d.npz", x=np.clip(x, 0, 255).astype(np.uint8), y=np.arange(6) % 3)
    return folder


def run(*words):
    return main([str(word) for word in words])


def certify(work, out, *more, model="m.tflite"):
    words = ["certify", work / model, work / "d.npz", "--out", out, "--quiet"]
    return run(*words, "--trusted", *more)


NOISE = ["--n0", "20", "--n", "300"]


def test_members_share_alpha_and_the_least_radius_holds(work, tmp_path, capsys):
    out = tmp_path / "j.jsonl"
    assert certify(work, out, "--family", "light:2", *NOISE, "--json") == 0
    shown = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    header, *lines, _ = (line.value for line in read_lines(out))
    assert Fraction(header["plan"]["alpha"]) == Fraction(1, 5000)
    assert len(lines) == 30 and shown["members"] == 5 and shown["images"] == 6
    # By hand, with a certifier of its own and the very keys of the journal.
    images = load_data(work / "d.npz").x.astype(int)
    with Certifier(work / "m.tflite", threads=1, trusted=True) as certifier:
        for line in lines:
            step = (0, 1, -1, 2, -2)[line["index"] % 5]
            member = np.clip(images[line["index"] // 5] + step, 0, 255)
            key = (int(line["key"][:16], 16), int(line["key"][16:], 16))
            assert list(certifier.votes(member, 300, key=key)) == line["votes"]
    for i, found in enumerate(shown["joint"]):
        some = lines[5 * i : 5 * i + 5]
        labels = {line["label"] for line in some}
        agreed = len(labels) == 1 and -1 not in labels
        assert found["label"] == (labels.pop() if agreed else -1)
        assert found["radius_q16"] == (min(s["radius_q16"] for s in some) if agreed else 0)
    assert 0 < shown["certified"] < 6
    audit = ["audit", out, work / "m.tflite", work / "d.npz", "--quiet"]
    assert run(*audit, "--family", "light:2") == 0
    text = capsys.readouterr().out
    assert "light:2, 5 members, all at once" in text and "1 - 0.001" in text
    assert run("audit", out, work / "m.tflite", out.with_suffix(".members.npz"), "--quiet") == 0
    for family in ("light:1", "shift:1"):
        assert run(*audit, "--family", family) == 2
        assert "is not about all members" in capsys.readouterr().err


def test_an_unfinished_journal_is_gone_on_with(work, tmp_path):
    whole, cut = tmp_path / "w.jsonl", tmp_path / "c.jsonl"
    assert certify(work, whole, "--family", "light:1", *NOISE, "--limit", 3) == 0
    cut.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) * 2 // 3])
    assert certify(work, cut, "--family", "light:1", *NOISE, "--limit", 3) == 0
    same = [
        [line.value | {"seconds": 0} for line in read_lines(path, chained=False)]
        for path in (whole, cut)
    ]
    assert same[0] == same[1] and len(same[0]) == 11


def test_images_that_are_missing_are_not_certified(work, tmp_path, capsys):
    """Of an unfinished journal an audit spoke of all images that were there."""
    whole, cut = tmp_path / "w.jsonl", tmp_path / "c.jsonl"
    assert certify(work, whole, "--family", "light:1", *NOISE) == 0
    cut.write_text("".join(whole.read_text().splitlines(keepends=True)[:4]))
    capsys.readouterr()
    files = [work / "m.tflite", work / "d.npz", "--quiet", "--family", "light:1"]
    assert run("audit", cut, *files) == 0
    assert "of 6 images right and certified" in capsys.readouterr().out


def test_a_refuted_member_leaves_its_image_uncertified(work, tmp_path, capsys):
    """Chance explains some refuted lines; nobody counts them as certified, nor their families."""
    out = tmp_path / "j.jsonl"
    assert certify(work, out, "--family", "light:1", *NOISE, "--alpha", ".99") == 0
    files = [work / "m.tflite", work / "d.npz", "--quiet", "--family", "light:1"]
    fresh = ["--fresh-seed", 1, "--fresh-n", 30000, "--gamma", ".5"]
    capsys.readouterr()
    assert run("audit", out, *files, *fresh) == 0
    text = capsys.readouterr().out
    refuted = [int(n) for n in re.search("refuted lines: (.*)", text)[1].split(", ")]
    kept = [c for n, c in enumerate(read_certificates(out), 2) if n not in refuted]
    certified = sum(c.label >= 0 for c in joint(kept, 3))
    assert certified < sum(c.label >= 0 for c in joint(read_certificates(out), 3))
    assert f"({certified} certified)" in text


def test_of_counted_views_it_is_certain(work, tmp_path, capsys):
    out = tmp_path / "j.jsonl"
    assert certify(work, out, "--family", "shift:1:border=zero", model="s.tflite") == 0
    text = capsys.readouterr().out.strip().splitlines()[-1]
    assert "9 members" in text and "certain" in text and "(l1)" in text
    files = [work / "s.tflite", work / "d.npz", "--family", "shift:1:border=zero"]
    assert run("audit", out, *files, "--quiet") == 0


def test_one_member_without_a_certificate_leaves_none(work, tmp_path):
    out = tmp_path / "j.jsonl"
    assert certify(work, out, "--family", "light:1", model="s.tflite") == 0
    certificates = list(read_certificates(out))
    full = joint(certificates, 3)
    assert any(c.label >= 0 for c in full)
    for missing in range(len(certificates)):
        rest = certificates[:missing] + certificates[missing + 1 :]
        (image,) = (c for c in joint(rest, 3) if c.index == missing // 3)
        assert image.label == -1 and image.radius_q16 == 0


def test_a_forged_member_does_not_stand(work, tmp_path, capsys):
    good, bad = tmp_path / "g.jsonl", tmp_path / "b.jsonl"
    assert certify(work, good, "--family", "light:1", model="s.tflite") == 0
    header, *lines, _ = (line.value for line in read_lines(good))
    chosen = next(line["index"] for line in lines if max(line["votes"]) < 40)
    with Journal(bad, {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines:
            line = {k: v for k, v in line.items() if k != "chain"}
            if line["index"] == chosen:
                line["votes"] = [40 if c == line["label"] else 0 for c in range(3)]
            journal.append(line)
        journal.finish()
    files = [work / "s.tflite", work / "d.npz", "--family", "light:1"]
    capsys.readouterr()
    assert run("audit", bad, *files, "--quiet") == 1
    assert "all at once" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--family", "glow:1"], "unknown family"),
        (["--family", "light:1", "--start", "1"], "no --start"),
        (["--family", "light:1", "--limit", "0"], "1 or more"),
        (["--family", "contrast:.8..1.25"], "choose a smaller range"),
        (["--family", "light:1", "--alpha", "0"], "alpha"),
    ],
)
def test_bad_options(work, tmp_path, capsys, options, words):
    assert certify(work, tmp_path / "j.jsonl", *options) == 2
    assert words in capsys.readouterr().err


def test_members_of_pictures_for_a_file_of_twice_the_channels():
    net = file_of(picture_net(6, channels=2))
    spec = SmoothingSpec.for_views(net, "bands", 2)
    file = load_model(attach_spec(net, spec))
    data = make_data(np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1)).astype(np.uint8))
    members = members_of(file, data, "shift:1")
    assert members.data.x.shape == (18, 4, 4, 1) and members.images == 2
    with pytest.raises(CertifyError, match="from 1 to 3"):
        members_of(file, data, "shift:4")
