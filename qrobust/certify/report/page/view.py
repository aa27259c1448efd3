"""From a `Subject` to what the template shows: plain values, every number from the summary."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.file.bundle import is_bundle, read_bundle
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.certify.report.page import curve
from qrobust.certify.report.page.evidence import REFUTED
from qrobust.certify.report.page.pictures import Picture, Shown, as_picture, shown, within
from qrobust.certify.report.page.promises import Promise, of_certificate, of_proof, ranked
from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.summary import Share, Summary, counts
from qrobust.certify.run.certificate import L0, L2, PATCH, Certificate
from qrobust.certify.run.keys import CHOSEN
from tflite_export.clients import described
from tflite_export.contract import contract_problem
from tflite_export.inspection import inspect
from tflite_export.read import read_graph

#: Rows of the table of images; the journal has the others.
MOST_ROWS = 1000
_THUMBNAILS, _THUMBNAIL = 200, 32
_TOP_VOTES = 3
_WORST = 5


def view(subject: Subject) -> dict[str, Any]:
    """Return what the template needs."""
    subject.check()
    look = _Look(subject)
    first = subject.first
    radii = [rational(r, "a radius") for r in subject.radii or first.radii]
    if not any(radii):
        radii = sorted({*radii, *first.radii})
    certificates = list(subject.certificates.values())
    chosen = look.telling() if subject.detailed is None else [(i, "") for i in subject.detailed]
    return {
        "title": subject.title,
        "name": first.name,
        "labelled": first.labelled,
        "certain": first.certain,
        "unit": first.unit,
        "norm": first.norm,
        "verdict": verdict(first, radii),
        "warnings": list(_warnings(subject)),
        "statements": first.statements,
        "facts": _facts(subject),
        "curve": curve.drawn(subject.runs),
        "shares": [
            (radius, _scaled(first, radius), [s.share(radius) for s in subject.runs.values()])
            for radius in radii
        ],
        "runs": list(subject.runs.items()),
        "pictured": [look.pictured(i, why) for i, why in chosen if look.picture(i) is not None],
        "no_pictures": look.why_no_pictures,
        "class_name": look.name,
        "ranked": [(index, why, look.ranking(index)) for index, why in chosen],
        "rows": [look.row(i, c) for i, c in enumerate(certificates[:MOST_ROWS])],
        "left_out": len(certificates) - MOST_ROWS,
        "worst": look.worst(),
        "abstained": first.abstained,
        "attacks": [
            (attack, attack.sha256 == certificates[0].model_sha256) for attack in subject.attacks
        ],
        "corruption": subject.corruption,
        "proofs": [(p, p.count(REFUTED)) for p in subject.proofs],
        "trained": subject.trained,
        "layers": _layers(subject),
        "clients": _clients(subject),
        "commands": _commands(subject),
        "hashes": _hashes(subject),
        "wanted": _percent_radius(radii),
    }


def verdict(summary: Summary, radii: list[Fraction]) -> str:
    """Return the whole page in one sentence."""
    clean, held = summary.share(0), summary.share(_percent_radius(radii))
    low, high = held.interval
    if summary.labelled:
        head = f"{clean.certified} ({clean.value:.1%}) get their true class with a certificate"
    else:
        head = (
            f"{clean.certified} ({clean.value:.1%}) get a certificate for their label, right or "
            f"wrong (true classes are not known)"
        )
    r = float(held.radius)
    size = {
        L2: f"change of L2 length below {r:g} LSB",
        L0: f"change of {r:g} pixels",
        PATCH: f"change inside a square of {r:g} x {r:g} pixels",
    }.get(summary.norm, f"change that sums up to {r:g} LSB at most")
    scale = _scaled(summary, held.radius)
    chance = (
        "nothing is left to chance"
        if summary.certain
        else f"each such statement is false with probability at most "
        f"{summary.certificates[0].alpha}"
    )
    return (
        f"Of {summary.images} inputs, {head}, and {held.certified} ({held.value:.1%}; 95 % "
        f"interval {low:.1%} to {high:.1%}) keep it under every {size}"
        f"{f' ({scale} of the input range)' if scale else ''}; {chance}."
    )


def _percent_radius(radii: list[Fraction]) -> Fraction:
    return next((radius for radius in sorted(radii) if radius > 0), Fraction(0))


def _scaled(summary: Summary, radius: Fraction) -> str:
    span = summary.certificates[0].span
    return f"{float(radius) / span:.4f}" if summary.has_unit_scale else ""


def _warnings(subject: Subject) -> Iterator[str]:
    first, trained = subject.first, subject.trained
    sha256 = first.certificates[0].model_sha256
    missing = first.images - len(first.certificates)
    if missing:
        yield f"{missing} planned inputs have no certificate yet; they count as not certified."
    for attack in subject.attacks:
        if attack.broken:
            yield f"{attack.broken} certificates did not hold when {attack.model} was attacked."
    differing = sum(trained.parity.values()) if trained else 0
    if differing:
        yield f"{differing} integers differ between runtimes."
    if trained and trained.sha256 not in (None, sha256):
        yield f"The summary of {trained.name} is about another file than the certificates."
    if first.key_level == CHOSEN:
        yield "The seed of all draws was chosen: good for experiments, not against its chooser."


def _facts(subject: Subject) -> list[tuple[str, str]]:
    certificate, first = subject.first.certificates[0], subject.first
    settings = certificate.settings
    noise = certificate.noise if certificate.sigma is None else f"sigma {certificate.sigma} LSB"
    facts = [
        ("smoothing", noise),
        ("method", str(settings.get("method"))),
        ("error probability, each certificate", certificate.alpha),
        ("noisy copies or views, mean", f"{first.samples / len(first.certificates):,.0f}"),
        ("keys", first.key_level),
        ("one LSB", certificate.unit or "one step of the input grid"),
        ("same votes on every runtime", "yes" if certificate.portable else "not claimed"),
    ]
    if subject.trained:
        count, of = subject.trained.clean
        facts += [("right without noise", f"{count / max(of, 1):.1%} of {of} test examples")]
        facts += subject.trained.facts
    return facts


def _layers(subject: Subject) -> list[str]:
    if subject.model is None:
        return list(subject.trained.layers) if subject.trained else []
    if not is_bundle(subject.model):
        return str(inspect(subject.model)).splitlines()
    bundle = read_bundle(subject.model)
    lines = [bundle.text()]
    for number, content in enumerate(bundle.members, 1):
        lines += ["", f"member {number}", *str(inspect(content)).splitlines()]
    return lines


def _clients(subject: Subject) -> list[str]:
    """On which other clients the file gives the same integers; nothing where none is given."""
    if subject.model is None or contract_problem(subject.model):
        return []
    return described(read_graph(subject.model)).splitlines()


def _commands(subject: Subject) -> list[tuple[str, str]]:
    journal, model, data = map(
        shlex.quote, (subject.journal, subject.model_path, subject.data_path)
    )
    asked = [
        ("every line, without model and data", f"qrobust audit {journal} --offline"),
        ("and every vote again", f"qrobust audit {journal} {model} {data}"),
    ]
    if not subject.first.certain:
        asked += [
            (
                "with another implementation of noise and network",
                f"qrobust audit {journal} {model} {data} --independent numpy --sample 5",
            ),
            ("draw a seed of your own", "python -c 'import secrets; print(secrets.randbits(64))'"),
            (
                "and estimate again with it",
                f"qrobust audit {journal} {model} {data} --fresh-seed SEED",
            ),
        ]
    asked += [
        (f"the proofs of {p.name}", f"qrobust audit {shlex.quote(p.path)} {model} {data}")
        for p in subject.proofs
    ]
    return asked


def _hashes(subject: Subject) -> list[tuple[str, str]]:
    found = [("SHA-256 of the model", subject.first.certificates[0].model_sha256)]
    if subject.data_sha256:
        found.append(("digest of the inputs", subject.data_sha256))
    return found


class _Look:
    """Names, pictures and rows of single images."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.certificates = subject.certificates
        spec = None if subject.model is None else read_spec(subject.model)
        self.labels = () if spec is None else spec.labels or ()
        self.also = {
            name: {c.index: c for c in summary.certificates}
            for name, summary in {**dict(list(subject.runs.items())[:1]), **subject.also}.items()
        }

    @property
    def why_no_pictures(self) -> str:
        """Empty where there are some."""
        if self.subject.data is None:
            return "No data were given (--data), so there are no pictures."
        if self.picture(next(iter(self.certificates))) is None:
            return "The inputs are no pictures of whole numbers 0 to 255, so none are shown."
        return ""

    def name(self, label: int | None) -> str:
        """A class in words."""
        if label is None:
            return "unknown"
        return self.labels[label] if 0 <= label < len(self.labels) else f"class {label}"

    def picture(self, index: int) -> Picture | None:
        """The pixels of an image, where it has some."""
        data, certificate = self.subject.data, self.certificates[index]
        if data is None or certificate.span != 255:
            return None
        if certificate.unit is not None and not certificate.unit.startswith("pixel"):
            return None
        return as_picture(data.x[index])

    def outcome(self, c: Certificate) -> str:
        """In a word."""
        if c.abstained:
            return "abstains"
        return {True: "right", False: "wrong", None: "certified"}[c.correct]

    def telling(self) -> list[tuple[int, str]]:
        """A few images that show what there is, and why each was taken."""
        ordered = sorted(self.certificates.values(), key=lambda c: (c.radius_q16, c.index))
        good = [c for c in ordered if counts(c)]
        wrong = [c for c in ordered if not c.abstained and c.correct is False]
        away = [c for c in ordered if c.abstained]
        found = []
        if good:
            found = [(good[-1], "largest radius"), (good[len(good) // 2], "median radius")]
            found.append((good[0], "smallest radius"))
        found += [(c, "wrong, with the largest radius") for c in wrong[-1:]]
        found += [(c, "abstains") for c in away[:1]]
        seen: dict[int, str] = {}
        for c, why in found:
            seen.setdefault(c.index, why)
        return list(seen.items())

    def pictured(self, index: int, why: str) -> dict[str, Any]:
        """An image, and what its certificate allows to be done to it."""
        certificate, picture = self.certificates[index], self.picture(index)
        shows = [] if picture is None else within(picture, certificate, list(self._other(index)))
        return {**self.row(_THUMBNAILS, certificate), "why": why, "shown": list(shows)}

    def _other(self, index: int) -> Iterator[tuple[str, Picture]]:
        # The nearest image of another label: the most tempting way to go.
        here, mine = self.picture(index), self.certificates[index]
        label = mine.label if mine.y is None else mine.y
        found = []
        for other, c in self.certificates.items():
            there = self.picture(other) if (c.label if c.y is None else c.y) != label else None
            if here is not None and there is not None and there.shape == here.shape:
                found.append((int(((there - here) ** 2).sum()), other, there))
        for _, other, there in sorted(found, key=lambda item: item[:2])[:1]:
            yield f"towards image {other}", there

    def ranking(self, index: int) -> list[Promise]:
        """Every certificate of an image, best promise first."""
        span = self.certificates[index].span
        promises = [
            of_certificate(name, run[index]) for name, run in self.also.items() if index in run
        ]
        for proofs in self.subject.proofs:
            if index in proofs.lines:
                promises.append(of_proof(proofs, proofs.lines[index], span))
        return ranked(promises)

    def row(self, place: int, c: Certificate) -> dict[str, Any]:
        """What the table says of one image."""
        order = sorted(range(len(c.votes)), key=lambda k: (-c.votes[k], k))[:_TOP_VOTES]
        total = max(sum(c.votes), 1)
        thumbnail: Shown | None = None
        picture = self.picture(c.index) if place < _THUMBNAILS else None
        if picture is not None:
            thumbnail = shown(picture, f"image {c.index}", width=_THUMBNAIL, most=2 * _THUMBNAIL)
        return {
            "index": c.index,
            "thumbnail": thumbnail,
            "label": "abstains" if c.abstained else self.name(c.label),
            "y": self.name(c.y),
            "outcome": self.outcome(c),
            "radius": c.radius,
            "votes": [(self.name(k), c.votes[k], c.votes[k] / total) for k in order if c.votes[k]],
            "run": sum(c.votes),
            "samples": c.samples,
        }

    def worst(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """What went wrong most, and what nearly did."""
        ordered = sorted(self.certificates.values(), key=lambda c: (c.radius_q16, c.index))
        wrong = [c for c in reversed(ordered) if not c.abstained and c.correct is False]
        weak = [c for c in ordered if counts(c)]
        parts = [
            ("Certified, and wrong: the certificate keeps an error in place", wrong),
            ("The smallest radii", weak),
            ("Abstained", [c for c in ordered if c.abstained]),
        ]
        return [
            (title, [self.row(0, c) for c in found[:_WORST]]) for title, found in parts if found
        ]


def share_text(share: Share) -> str:
    """A share with its interval, as the Markdown has it."""
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%})"
