"""Bundles in C against Python: labels of copies, votes, certificates; planted faults show."""

import re
import struct
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from c_compiler import compile_program
from firmware_model import classifier

from qrobust.certify import Certifier, CertifyError, SmoothingSpec, attach_spec, c99
from qrobust.certify.auditing.independent import Independent
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle
from qrobust.certify.file.bundle_file import open_model
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.passes.tie_free import tie_free

from ..tiny_models import linear

SHAPE, CLASSES, N, ALPHA, RADIUS, SIGMA = (6, 6, 1), 3, 150, "0.01", "12", 30
COPIES, CERTIFY, TEST, IMAGE = range(4)
BAD_REQUEST, MODEL_FAILED = 2, 3
PILOT, BOUND, PREDICT = range(3)
SOURCES = ("members.c", "bundle.c", "qrobust_certify.c", "certifier_tables.c")


def specified(content, sigma=SIGMA):
    spec = SmoothingSpec.for_model(
        content, sigma=sigma, tables=((N, ALPHA),), tests=((RADIUS, N, ALPHA),)
    )
    return attach_spec(content, spec)


def matrix(seed, classes=CLASSES, coordinates=36):
    drawn = np.random.default_rng(seed).integers(-5, 6, (classes, coordinates))
    return drawn - np.round(drawn.mean(axis=1, keepdims=True)).astype(int)


@cache
def members():
    """A convolution network between two linear ones: other kernels, grids and arenas."""
    first, last = (
        specified(linear(matrix(seed), shape=SHAPE, output_shift=shift))
        for seed, shift in ((5, 3), (6, 4))
    )
    return first, specified(to_flatbuffer(tie_free(classifier()))), last


@cache
def bundle_of(rule):
    if rule == DRAW:
        return Bundle(DRAW, members(), (5, 1, 2))
    if rule == CONSENSUS:
        return Bundle(CONSENSUS, members(), (2, 1, 3), first=2)
    return Bundle(ADAPTIVE, members(), (3, 2, 1), thresholds=(81, 80))


BUNDLES = (DRAW, ADAPTIVE, CONSENSUS)
IMAGES = np.random.default_rng(4).integers(96, 160, (4, *SHAPE)).astype(np.uint8)
KEYS = ((2**40 + 3, 5), (2**64 - 1, 2**63 + 11))


def picture(label, contrast):
    """What both linear members see as a class, the more so the more contrast."""
    w = matrix(5) + matrix(6)
    direction = (3 * w[label] - w.sum(axis=0)).reshape(SHAPE) / 2
    far = np.minimum(np.abs(direction), 4) * np.sign(direction)
    return np.clip(128 + contrast * far, 0, 255).astype(np.uint8)


def build(bundle, folder, *changes):
    """The bundle's program; each change is a file, a text in it, and what it becomes."""
    c99.write_bundle(bundle.to_bytes(), folder)
    for name, before, after in changes:
        text = (folder / name).read_text()
        assert text.count(before) == 1, (name, before)
        (folder / name).write_text(text.replace(before, after))
    runner = Path(__file__).with_name("bundle_runner.c")
    (folder / runner.name).write_text(runner.read_text())
    return compile_program([folder / n for n in (runner.name, *SOURCES)], folder / "runner")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return cache(lambda rule: build(bundle_of(rule), tmp_path_factory.mktemp(rule)))


@dataclass(frozen=True)
class Answer:
    status: int
    labels: tuple[int, ...]
    certificate: tuple[int, ...]  # decision, label, candidate, radius, samples
    votes: tuple[int, ...]
    evaluations: int


def ask(program, what, image, *, key=KEYS[0], purpose=BOUND, pilot=20, start=0, count=0):
    head = struct.pack("<4I3Q", what, purpose, pilot, count, *key, start)
    tensor = (image.astype(np.int16) - 128).astype(np.int8)
    done = subprocess.run(
        [program], input=head + tensor.tobytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    size = 4 * (6 + CLASSES) + 8
    labels = struct.unpack(f"<{(len(done.stdout) - size) // 4}I", done.stdout[:-size])
    status, *rest = struct.unpack(f"<6i{CLASSES}IQ", done.stdout[-size:])
    return Answer(status, labels, tuple(rest[:5]), tuple(rest[5:-1]), rest[-1])


def asked(rule, image, key, purpose, start, count):
    """Labels of copies and members asked, by the auditor's code; votes by the certifier's."""
    content = bundle_of(rule).to_bytes()
    with Certifier(content, threads=1, batch_size=8, trusted=True) as certifier:
        copies = certifier.copies(image, count, key=key, purpose=purpose, start=start)
        before = certifier.counter.evaluations
        votes = certifier.votes(image, count, key=key, purpose=purpose, start=start)
        evaluations = certifier.counter.evaluations - before
    answer = Independent(open_model(content), "numpy").of_stream(key, purpose)
    skipped = start if rule == DRAW else 0
    for _ in range(skipped):
        answer([0] * 36)
    labels = [int(np.argmax(answer((copy.ravel().astype(int) - 128).tolist()))) for copy in copies]
    assert np.bincount(labels, minlength=CLASSES).tolist() == votes.tolist()
    return tuple(labels), tuple(votes.tolist()), evaluations


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("rule", BUNDLES)
def test_every_copys_label_is_pythons(program, rule):
    """Of all purposes, in the middle of a block of words, and what every vote took of members."""
    seen = set()
    for number, (purpose, start) in enumerate([(PILOT, 0), (BOUND, 7), (PREDICT, 21)]):
        image, key = IMAGES[number], KEYS[number % 2]
        labels, votes, evaluations = asked(rule, image, key, purpose, start, 45)
        found = ask(program(rule), COPIES, image, key=key, purpose=purpose, start=start, count=45)
        assert (found.status, found.labels, found.votes) == (0, labels, votes)
        assert found.evaluations == 2 * evaluations  # one by one, and all at once
        seen |= {len(set(labels)) > 1, 45 < evaluations < 3 * 45 or rule == DRAW}
    assert seen == {True}


@pytest.mark.parametrize("rule", BUNDLES)
@pytest.mark.parametrize("what", [CERTIFY, TEST])
def test_certificates_equal_pythons(program, rule, what):
    settings = {"method": "sequential", "radius": RADIUS} if what == TEST else {}
    decisions, names = set(), ("certified", "abstained", "gave_up", "undecided")
    images = [picture(0, 4), picture(0, 16), picture(2, 16)]
    with Certifier(bundle_of(rule).to_bytes(), seed=9, threads=1, trusted=True) as certifier:
        for index, image in enumerate(images):
            theirs = certifier.certify(image, n0=20, n=N, alpha=ALPHA, index=index, **settings)
            ours = ask(program(rule), what, image, key=(9, index))
            decision, label, candidate, radius, samples = ours.certificate
            assert (ours.status, names[decision]) == (0, theirs.decision)
            assert (label, candidate, samples) == (theirs.label, theirs.candidate, theirs.n)
            assert radius == theirs.radius_q16
            assert ours.votes == tuple(theirs.votes)
            decisions.add(decision)
    assert len(decisions) > 1, decisions


@pytest.mark.parametrize("rule", BUNDLES)
def test_the_label_without_noise_is_pythons(program, rule):
    with Certifier(bundle_of(rule).to_bytes(), threads=1, trusted=True) as certifier:
        for image in IMAGES:
            assert ask(program(rule), IMAGE, image).labels == (certifier.classify(image),)


# --- planted faults -------------------------------------------------------------------------------

FAULTS = {
    "threshold": (ADAPTIVE, ("bundle.c", "{81u,", "{82u,")),
    "margin_is_no_stop": (ADAPTIVE, ("bundle.c", "margin() < thr", "margin() <= thr")),
    "order": (
        ADAPTIVE,
        ("bundle.c", "{member1_input, member1_run, member1_output, M", "{member0, M"),
        ("bundle.c", "{member3_input, member3_run, member3_output, M", "{member1_input, "
         "member1_run, member1_output, M"),
        ("bundle.c", "{member0, M", "{member3_input, member3_run, member3_output, M"),
    ),
    "weight": (CONSENSUS, ("bundle.c", "MEMBER3_OUTPUT_ZERO_POINT, 3}", "0, 2}")),
    "first": (CONSENSUS, ("bundle.c", "first = 2u", "first = 3u")),
    "stream": (DRAW, ("bundle.c", "FIRST_STREAM = 4u", "FIRST_STREAM = 5u")),
    "word": (DRAW, ("bundle.c", "place->sample % 4u", "place->sample / 4u % 4u")),
    "ticket": (DRAW, ("bundle.c", "ticket >= (uint32_t)", "ticket > (uint32_t)")),
    "copy": (CONSENSUS, ("bundle.c", "(void)memcpy(member->input(0), copy, sizeof(copy));\n",
                         "if (number == 0u) {(void)memcpy(member->input(0), copy, "
                         "sizeof(copy));}\n")),
}  # fmt: skip


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(program, tmp_path, fault):
    rule, *changes = FAULTS[fault]
    wrong = build(bundle_of(rule), tmp_path, *changes)
    answers = [
        [ask(one, COPIES, image, key=KEYS[0], count=60) for image in IMAGES]
        for one in (program(rule), wrong)
    ]
    assert answers[0] != answers[1]


def test_a_pilot_that_goes_on_into_the_bound_is_noticed(tmp_path):
    """Members drawn for other copies than the certifier's: no certificate, not another one."""
    change = ("qrobust_certify.c", "QRC_BOUND, 0, certifier->samples,", "QRC_BOUND, 0, 100u,")
    wrong = build(bundle_of(DRAW), tmp_path, change)
    found = ask(wrong, CERTIFY, IMAGES[1])
    assert (found.status, found.certificate[1], found.certificate[3]) == (MODEL_FAILED, -1, 0)


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", BUNDLES)
def test_the_header_names_the_bundles_hash(program, rule):
    text = (program(rule).parent / "bundle.h").read_text()
    assert re.findall(r'BUNDLE_SHA256 "(\w+)"', text) == [bundle_of(rule).sha256]
    assert bundle_of(rule).text() in text
    with Certifier(bundle_of(rule).to_bytes(), threads=1, trusted=True) as certifier:
        found = certifier.certify(IMAGES[0], n0=5, n=N, alpha=ALPHA)
    assert found.model_sha256 in text
    other = replace(bundle_of(rule), members=members()[::-1])
    assert other.sha256 not in text
    assert f'BUNDLE_SHA256 "{other.sha256}"' in c99.bundle_files(other.to_bytes())["bundle.h"]


def test_kernels_and_arena_are_there_once(program):
    source = (program(DRAW).parent / "members.c").read_text()
    header = (program(DRAW).parent / "members.h").read_text()
    assert source.count("int8_t requantize(") == source.count("} arena;") == 1
    own = [int(size) for size in re.findall(r"MEMBER\d_ARENA_BYTES (\d+)u", header)]
    (shared,) = re.findall(r"MEMBERS_ARENA_BYTES (\d+)u", header)
    assert int(shared) == max(own) and len(own) == 3 and len(set(own)) > 1


def test_no_heap_and_no_floats(program):
    for rule in BUNDLES:
        for name in ("bundle.c", "members.c"):
            text = (program(rule).parent / name).read_text()
            assert not re.search(r"\b(float|double|malloc|free)\b", text)
            assert set(re.findall(r"#include <(.*)>", text)) <= {
                "stddef.h",
                "string.h",
                "arm_acle.h",
            }


def test_margins_of_the_largest_steps_and_weights(tmp_path):
    """Logits 255 steps apart, weights of 2**15: one step below a threshold goes on, equal stops."""
    one = specified(linear(np.zeros((3, 36), int), bias=[-128, 127, -128], shape=SHAPE))
    step = 255 << 15
    bundle = Bundle(ADAPTIVE, (one,) * 3, (1 << 15,) * 3, thresholds=(step + 1, 2 * step))
    found = ask(build(bundle, tmp_path), COPIES, IMAGES[0], count=2)
    assert (found.labels, found.evaluations) == ((1, 1), 2 * 2 * 2)
    with Certifier(bundle.to_bytes(), threads=1, trusted=True) as certifier:
        certifier.votes(IMAGES[0], 2)
        assert certifier.counter.evaluations == 2 * 2


@pytest.mark.parametrize("rule", BUNDLES)
def test_a_bundle_of_one_is_its_member(tmp_path, rule):
    options = {"first": 1} if rule == CONSENSUS else {}
    bundle = Bundle(rule, members()[1:2], (1,), **options)
    found = ask(build(bundle, tmp_path), COPIES, IMAGES[0], count=40)
    with Certifier(members()[1], threads=1, trusted=True) as certifier:
        assert found.votes == tuple(certifier.votes(IMAGES[0], 40, key=KEYS[0]).tolist())
    assert found.evaluations == 2 * 40


# --- what is refused ------------------------------------------------------------------------------


def refused(contents, match):
    bundle = Bundle(CONSENSUS, tuple(contents), (1,) * len(contents), first=1)
    with pytest.raises(CertifyError, match=match):
        c99.bundle_files(bundle.to_bytes())


def test_members_that_do_not_go_together_are_refused_by_name():
    first = members()[0]
    fine = linear(matrix(5), shape=SHAPE, scale=0.5)
    refused((first, specified(fine)), "member 1 has inputs on .* member 2 ")
    classes = linear(matrix(5, classes=4), shape=SHAPE)
    refused((first, specified(classes)), "member 1 has classes 3, member 2 4")
    shape = linear(matrix(5), shape=(36,))
    refused((first, specified(shape)), "member 1 has inputs of shape .* member 2 ")
    refused((first, specified(first, sigma=31)), "one smoothing spec")


def test_what_has_no_c_is_refused_by_name():
    plain = linear(matrix(5), shape=SHAPE)
    refused((plain, plain), "no smoothing spec")
    untabled = attach_spec(plain, SmoothingSpec.for_model(plain, sigma=SIGMA))
    refused((untabled, untabled), "no radius table and no sequential test")
    unsigned = linear(matrix(5), shape=SHAPE, dtype="uint8", zero_point=0)
    refused((specified(unsigned),), "member 1 of the bundle: the C takes int8")
    ties = specified(to_flatbuffer(classifier()))
    assert open_model(ties).not_portable
    refused((members()[1], ties), "member 2 of the bundle: kernels may differ on this file")
    with pytest.raises(CertifyError, match="not a bundle"):
        c99.bundle_files(members()[0])


def test_tables_of_another_network_are_refused(tmp_path):
    """Of more pixels, they would write past the copy's bytes."""
    other = specified(linear(matrix(1, coordinates=49), shape=(7, 7, 1)))
    build(bundle_of(CONSENSUS), tmp_path)
    c99.write(other, tmp_path)
    sources = [tmp_path / name for name in ("bundle_runner.c", *SOURCES)]
    wrong = compile_program(sources, tmp_path / "runner")
    for what in (COPIES, CERTIFY, TEST):
        assert ask(wrong, what, IMAGES[0], count=1).status == BAD_REQUEST
