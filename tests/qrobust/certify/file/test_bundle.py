"""The bundle's file: one way to write it, one hash of everything, nothing damaged accepted."""

import hashlib
import json
from dataclasses import replace

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle, is_bundle, read_bundle
from qrobust.certify.file.bundle_file import BundleFile, open_model
from qrobust.certify.file.model_file import load_model
from qrobust.certify.file.smoothing_spec import SmoothingSpec, attach_spec, read_spec

from ..bundles import BUNDLES, MATRICES, MEMBERS, SHAPE, constant
from ..tiny_models import linear


@pytest.mark.parametrize("rule", BUNDLES)
def test_what_is_written_is_read(rule):
    bundle = BUNDLES[rule]
    content = bundle.to_bytes()
    assert is_bundle(content)
    assert read_bundle(content) == bundle
    assert bundle.sha256 == hashlib.sha256(content).hexdigest()


def test_the_hash_covers_members_order_weights_and_thresholds():
    bundle = BUNDLES[ADAPTIVE]
    others = [
        replace(bundle, weights=(2, 3, 1)),
        replace(bundle, thresholds=(501, 640)),
        replace(bundle, members=(MEMBERS[1], MEMBERS[0], MEMBERS[2])),
        replace(bundle, members=(*MEMBERS[:2], linear(MATRICES[2], shape=SHAPE))),
        Bundle(CONSENSUS, MEMBERS, bundle.weights, first=2),
        Bundle(CONSENSUS, MEMBERS, bundle.weights, first=3),
    ]
    assert len({bundle.sha256, *(other.sha256 for other in others)}) == 7


def test_a_changed_byte_is_another_bundle_or_none():
    content = BUNDLES[ADAPTIVE].to_bytes()
    size = int.from_bytes(content[8:12], "little")
    for place in (0, 9, 14, 12 + size // 2, 12 + size, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(CertifyError):
            read_bundle(bytes(changed))
    for cut in (content[:6], content[:11], content[:40], content[:-1], content + b"x"):
        with pytest.raises(CertifyError):
            read_bundle(cut)


def test_there_is_one_way_to_write_a_bundle():
    """Spaces, or a key more, would be another hash of the same classifier."""
    bundle = BUNDLES[CONSENSUS]
    spaced = json.dumps(bundle.description(), sort_keys=True).encode()
    more = json.dumps(bundle.description() | {"a": 1}, sort_keys=True, separators=(",", ":"))
    for text in (spaced, more.encode()):
        content = b"".join((b"QRBUNDLE", len(text).to_bytes(4, "little"), text, *MEMBERS))
        with pytest.raises(CertifyError, match="make it again"):
            read_bundle(content)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vote", MEMBERS, (1, 1, 1)), "unknown rule"),
        ((DRAW, (), ()), "1 to 256 members"),
        ((DRAW, MEMBERS, (1, 1, 1)), "power of two"),
        ((DRAW, MEMBERS, (1, 3, 0)), "as many weights"),
        ((DRAW, MEMBERS, (2, 2)), "as many weights"),
        ((DRAW, MEMBERS, (True, 2, 1)), "as many weights"),
        ((ADAPTIVE, MEMBERS, (1, 1, 1)), "2 thresholds"),
        ((ADAPTIVE, MEMBERS, (1, 1, 1), (1, -1)), "2 thresholds"),
        ((DRAW, MEMBERS, (1, 1, 2), (1, 1)), "0 thresholds"),
        ((CONSENSUS, MEMBERS, (1, 1, 1)), "1 to 3 of them first"),
        ((CONSENSUS, MEMBERS, (1, 1, 1), (), 4), "1 to 3 of them first"),
    ],
)
def test_what_makes_no_bundle_is_refused(arguments, words):
    with pytest.raises(CertifyError, match=words):
        Bundle(*arguments)


def test_a_bundle_opens_as_one_classifier():
    bundle = BUNDLES[ADAPTIVE]
    file = open_model(bundle.to_bytes())
    assert isinstance(file, BundleFile)
    assert (file.sha256, file.shape, file.classes) == (bundle.sha256, SHAPE, 3)
    assert not file.not_portable
    assert [m.sha256 for m in file.members] == [hashlib.sha256(m).hexdigest() for m in MEMBERS]
    assert not isinstance(open_model(MEMBERS[0]), BundleFile)


def test_members_go_together():
    for other, what in ((constant(0, 3), "shape"), (constant(0, 2, 20), "shape")):
        with pytest.raises(CertifyError, match=f"member 1 has inputs of {what}"):
            open_model(Bundle(CONSENSUS, (MEMBERS[0], other), (1, 1), first=1).to_bytes())
    scaled = linear(MATRICES[0], shape=SHAPE, scale=0.5)
    with pytest.raises(CertifyError, match="inputs on"):
        open_model(Bundle(CONSENSUS, (MEMBERS[0], scaled), (1, 1), first=1).to_bytes())
    with pytest.raises(CertifyError, match="member 2 of the bundle"):
        open_model(Bundle(CONSENSUS, (MEMBERS[0], b"nothing"), (1, 1), first=1).to_bytes())


def test_where_one_file_is_needed_a_bundle_is_refused():
    with pytest.raises(CertifyError, match="qrobust ensemble"):
        load_model(BUNDLES[DRAW].to_bytes())


def test_the_spec_is_that_of_all_members():
    def bundle(*sigmas):
        members = tuple(
            m if s is None else attach_spec(m, SmoothingSpec.for_model(m, sigma=s))
            for m, s in zip(MEMBERS, sigmas, strict=False)
        )
        return Bundle(CONSENSUS, members, (1,) * len(members), first=1).to_bytes()

    assert read_spec(bundle(20, 20)).sigma == 20
    assert read_spec(bundle(None, None)) is None
    with pytest.raises(CertifyError, match="member 2 of the bundle: not a .tflite"):
        read_spec(Bundle(CONSENSUS, (MEMBERS[0], b"nothing"), (1, 1), first=1).to_bytes())
    for sigmas in ((20, 21), (20, None)):
        with pytest.raises(CertifyError, match="these differ"):
            read_spec(bundle(*sigmas))
