"""The page: it loads nothing, its numbers are the summary's, and text in it stays text."""

import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from qrobust.certify import CertifyError, Data
from qrobust.certify.report.page.evidence import Attack, Corruption, Proofs
from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.page.write_page import page
from qrobust.certify.report.summary import Summary

from ...run.test_certificate import CERTIFICATE

pytest.importorskip("jinja2")
pytest.importorskip("PIL")

SHAPE = (4, 5, 1)
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x1b[2J\u202e"
VOID = {"meta", "img", "input", "line", "rect", "path", "br", "link"}


class Page(HTMLParser):
    """Everything that a browser would see of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts, self.rows = [], [], {}, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        self.texts[tag] = self.texts.get(tag, "") + data
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def certificates(labelled=True):
    found = [
        replace(CERTIFICATE, index=i, radius_q16=(20 * i) << 16, y=2, unit="pixel step")
        for i in range(8)
    ]
    found[1] = replace(found[1], y=0)  # wrong
    found[0] = replace(found[0], label=-1, radius_q16=0, votes=(40, 30, 30))
    return found if labelled else [replace(c, y=None) for c in found]


DATA = Data(np.random.default_rng(0).integers(0, 256, (8, *SHAPE), np.uint8))


def subject(**changes):
    return Subject(**{"runs": {"a": Summary(certificates())}, "data": DATA, **changes})


def test_it_loads_nothing_and_is_readable_aloud():
    seen = Page(page(subject()))
    for tag, attrs in seen.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
        for name in ("src", "href", "action", "data", "srcset", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/png;base64,")), attrs
        assert not any(name.startswith("on") or name == "style" for name in attrs), attrs
    assert all("src" not in script for script in seen.all("script"))
    assert "http" not in page(subject()).replace("http-equiv", "")
    assert seen.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in seen.all("img")) and len(seen.all("img")) > 8
    assert len(seen.all("caption")) == len(seen.all("table"))
    assert len(seen.all("h1")) == 1
    targets = {attrs["id"] for _, attrs in seen.tags if "id" in attrs}
    assert {attrs["href"][1:] for attrs in seen.all("a")} <= targets
    assert all(attrs.get("aria-labelledby", "plot-title").split()[0] in targets
               for _, attrs in seen.tags)  # fmt: skip


def test_its_policy_allows_its_own_style_and_script_and_no_other():
    import base64
    import hashlib

    text = page(subject())
    policy = Page(text).all("meta")[2]["content"]
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_its_numbers_are_those_of_the_summary():
    summary = Summary(certificates())
    text = page(subject())
    seen = Page(text)
    for share in summary.shares():
        low, high = share.interval
        cells = [f"{float(share.radius):g}", f"{float(share.radius) / 255:.4f}",
                 f"{share.value:.1%} ({low:.1%} to {high:.1%})"]  # fmt: skip
        assert cells in seen.rows
    numbers = json.loads(re.search(r'id="numbers">(.*?)</script>', text)[1])
    (run,) = numbers["runs"]
    for radius in (0, 10, 20, 64, 140, 141):
        by_slider = sum(r >= radius * 65536 for r in run["radii"])
        assert (by_slider, run["images"]) == (summary.share(radius).certified, summary.images)
    half = summary.share(32)
    assert f"{half.certified} ({half.value:.1%}; 95 % interval" in seen.texts["p"]
    rows = {row[0]: row for row in seen.rows if len(row) == 8}
    assert rows["1"][4] == "wrong" and rows["0"][4] == "abstains" and rows["7"][4] == "right"
    assert "2: 97, 1: 2, 0: 1 of 100" in rows["7"][6].replace("class ", "").replace("\n", "")


def test_without_true_classes_it_speaks_of_shares_everywhere():
    text = page(subject(runs={"a": Summary(certificates(labelled=False))}))
    assert "ertified share" in text and "ccuracy against" not in text
    assert "ertified accuracy" not in text
    assert "right or wrong (true classes are not known)" in text
    assert ">right<" not in text and ">wrong<" not in text


def test_nothing_but_abstentions_and_a_radius_of_0():
    away = [replace(c, label=-1, radius_q16=0) for c in certificates()]
    text = page(subject(runs={"a": Summary(away)}, radii=["0"]))
    assert "Of 8 inputs, 0 (0.0%) get their true class" in text
    assert "L2 length below 32 LSB" in text  # not "below 0"


def test_thumbnails_of_large_pictures_are_small():
    large = Data(np.random.default_rng(0).integers(0, 256, (8, 300, 200, 3), np.uint8))
    assert len(page(subject(data=large, detailed=[3]))) < 3_000_000


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("place", ["run", "title", "model", "label"])
def test_hostile_text_is_text(place, monkeypatch):
    changes = {"runs": {HOSTILE: Summary(certificates())}} if place == "run" else {}
    if place == "title":
        changes = {"title": HOSTILE, "journal": HOSTILE, "model_path": HOSTILE}
    if place == "model":
        changes = {"attacks": [attack(HOSTILE)], "corruption": Corruption(
            HOSTILE, 1, 1, 1.0, {HOSTILE: [(1, 1)]}), "proofs": [proofs(HOSTILE)]}  # fmt: skip
    if place == "label":
        from qrobust.certify.report.page import view

        spec = type("Spec", (), {"labels": (HOSTILE, HOSTILE, HOSTILE)})
        monkeypatch.setattr(view, "read_spec", lambda model: spec)
        monkeypatch.setattr(view, "inspect", lambda model: HOSTILE)
        digest = hashlib.sha256(b"x").hexdigest()
        own = [replace(c, model_sha256=digest) for c in certificates()]
        changes = {"model": b"x", "runs": {"a": Summary(own)}}
    harmless, text = page(subject()), page(subject(**changes))
    seen, usual = Page(text), Page(harmless)
    assert "&lt;/script&gt;" in text  # it is there, as text
    assert len(seen.all("script")) == len(usual.all("script"))
    assert not any(attrs.get("src") == "x" for attrs in seen.all("img"))
    assert "\x1b" not in text and "\u202e" not in text


def attack(name="m.tflite", **changes):
    values = {"model": name, "sha256": "cd", "norm": "linf", "epsilon": 8.0, "images": 4,
              "clean": 0.75, "worst": 0.5, "attacks": ((name, 0.5, 10.0),),
              "checks": ((name, False, name),), "attacked_certificates": 4,
              "broken": 0}  # fmt: skip
    return Attack(**{**values, **changes})


def proofs(name="light", region="linf:2", status="proven"):
    line = {"index": 7, "status": status, "predicted": 2, "y": 2, "inferences": 9, "boxes": 0}
    return Proofs(name=name, path=name, model_sha256="cd", data_sha256="d", region=region,
                  claim=name, theorem=name, about="the file's integer function",
                  lines={7: line})  # fmt: skip


def test_what_others_found_is_shown_and_what_is_broken_comes_first():
    fog = Corruption("cd", 10, 9, 0.5, {"fog": [(9, 10), (1, 10)]})
    text = page(subject(attacks=[attack(broken=2)], proofs=[proofs()], corruption=fog))
    seen = Page(text)
    assert "2 certificates did not hold when m.tflite was attacked" in text
    assert "this very file" in text and "50.0 %" in text
    assert ["fog", "90.0 %", "10.0 %"] in seen.rows
    ranking = [row for row in seen.rows if len(row) == 11 and row[1] in ("a", "light")]
    assert [row[1] for row in ranking[:2]] == ["light", "a"]  # a proof cannot be false


def test_parts_about_different_things_are_refused():
    for changes, message in (
        ({"runs": {"a": Summary([])}}, "at least one certificate"),
        ({"data_sha256": "0"}, "other inputs than those certified"),
        ({"data": Data(DATA.x[:3])}, "a certificate of input 7"),
        ({"data_sha256": DATA.sha256, "proofs": [proofs()]}, "about other inputs"),
        ({"detailed": [99]}, "no certificate of image 99"),
    ):
        with pytest.raises(CertifyError, match=message):
            page(subject(**changes))


def test_another_model_than_the_certified_one_is_refused():
    with pytest.raises(CertifyError, match="is another model than the one certified in"):
        page(subject(model=b"x"))
