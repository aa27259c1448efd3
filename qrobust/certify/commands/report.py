"""``qrobust report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.commands.common import add_reading, guarded
from qrobust.certify.file.model_file import read_model
from qrobust.certify.inputs import expected_by, load_inputs
from qrobust.certify.report.page.evidence import (
    Proofs,
    is_proofs,
    read_attack,
    read_corruption,
    read_proofs,
)
from qrobust.certify.report.page.evidence import read_model as read_trained
from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.page.write_page import can_write_page, write_page
from qrobust.certify.report.published import Published, read_published, same_images
from qrobust.certify.report.read import read_header, read_summary
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.write_report import WRITTEN, write_report
from tflite_export.printable import printable

DESCRIPTION = """\
Write what certificates say: report.md and certified_accuracy.csv (for diffs and
spreadsheets), plots where Matplotlib is installed, and report.html, one file
that needs no network: verdict, a radius in pictures, the curve with a slider,
every image with its votes, all certificates of an image side by side, worst
cases, and how to audit. What you give besides the journals goes into the page.
"""
EPILOG = """\
examples:
  qrobust report certificates.jsonl --out report
  qrobust report certificates.jsonl --out report --model model.tflite \\
      --data data.npz --summary summary.json
  qrobust report defended=a.jsonl plain=b.jsonl --out report --radii 0 32 64
  qrobust report certificates.jsonl --out report --data photos/ \\
      --model model.tflite --also patches.jsonl --also light=proofs.jsonl \\
      --attack attack.json --corruption corrupt.json
"""
_PAGE = "report.html"
_ONLY_PAGE = ("data", "model", "also", "attack", "corruption", "summary", "images", "title")


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``; its handler is `run_report`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "journals",
        nargs="+",
        metavar="[NAME=]CERTS.jsonl",
        help="runs to compare; FILE.tsv is read as Cohen et al.'s table of radii on [0, 1]",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write the report")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what an earlier report left in DIR"
    )
    parser.add_argument("--radii", nargs="+", metavar="R", help="of the table, in LSB")
    parser.add_argument(
        "--same-images", action="store_true", help="compare on the images that all runs have"
    )
    page = parser.add_argument_group("for the page; needs the extra [report]")
    page.add_argument("--data", metavar="DATA", help="the inputs, as certify took them: pictures")
    add_reading(page)
    page.add_argument("--model", metavar="MODEL.tflite", help="its layers and names of classes")
    page.add_argument(
        "--also",
        action="append",
        metavar="[NAME=]JOURNAL",
        help="further certificates of the same inputs (another norm or model), or proofs of verify",
    )
    page.add_argument("--attack", action="append", metavar="REPORT.json", help="of attack --out")
    page.add_argument("--corruption", metavar="REPORT.json", help="what corrupt --json printed")
    page.add_argument("--summary", metavar="summary.json", help="of the trained model")
    page.add_argument(
        "--images", nargs="+", type=int, metavar="I", help="shown one by one (default: a few)"
    )
    page.add_argument("--title", help="of the page")


def run_report(args: argparse.Namespace) -> int:
    """Write a report of one or more journals; return the exit status."""
    return guarded(lambda: _report(args))


def _report(args: argparse.Namespace) -> int:
    asked = [f"--{name}" for name in _ONLY_PAGE if getattr(args, name) is not None]
    possible = can_write_page()
    if asked and not possible:
        raise CertifyError(
            f"{asked[0]} is for the page, which needs Jinja2 and Pillow: "
            "pip install 'qrobust[report]'"
        )
    pairs = list(_named(args.journals))
    named = dict(pairs)
    for name, journal in pairs:
        if named[name] != journal:
            raise CertifyError(
                f"two journals are called {printable(name)}; name one: NAME={journal}"
            )
    runs: dict[str, Summary] = {
        name: read_published(path) if path.lower().endswith(".tsv") else read_summary(path)
        for name, path in named.items()
    }
    if args.same_images:
        runs = same_images(runs)
    # Of published tables there is no more to show than their curves.
    own = [name for name, run in runs.items() if not isinstance(run, Published)]
    if asked and not own:
        raise CertifyError(f"{asked[0]} is for the page, which is about a journal; none was given")
    subject = _subject(args, runs, own[0], named[own[0]]) if possible and own else None
    if subject is not None:
        subject.check()
    if not args.overwrite:
        _check_free(Path(args.out))
    written = write_report(runs, args.out, radii=args.radii)
    if subject is not None:
        try:
            written.append(write_page(subject, Path(args.out) / _PAGE))
        except OSError as error:
            raise CertifyError(f"cannot write {_PAGE} to {args.out}: {error.strerror}") from None
    for path in written:
        print(path)
    if not possible:
        print(f"no {_PAGE}: it needs pip install 'qrobust[report]'", file=sys.stderr)
    return 0


def _check_free(folder: Path) -> None:
    """Refuse to replace a report: it may be the only one of certificates that are gone."""
    there = [name for name in (*WRITTEN, _PAGE) if (folder / name).exists()]
    if there:
        raise CertifyError(
            f"{printable(str(folder))} holds {', '.join(there)} already; give another --out, or "
            "--overwrite to replace them"
        )


def _named(journals: Iterable[str]) -> Iterable[tuple[str, str]]:
    for text in journals:
        name, _, path = text.rpartition("=")
        yield name or Path(path).stem, path


def _subject(
    args: argparse.Namespace, runs: dict[str, Summary], first: str, journal: str
) -> Subject:
    about = _data_of(journal)
    also, proofs = _further(args.also or (), set(runs), about)
    model = None if args.model is None else read_model(args.model)
    data = None
    if args.data is not None:
        data = load_inputs(
            args.data,
            lambda: expected_by(_needed(model), args.fit),
            allow_code=args.allow_code,
        )
    trained = None if args.summary is None else read_trained(args.summary)
    title = args.title or (trained.name if trained else first)
    return Subject(
        runs={first: runs[first], **runs},
        also=also,
        proofs=proofs,
        data=data,
        data_sha256=about,
        model=model,
        trained=trained,
        attacks=[read_attack(path) for path in args.attack or ()],
        corruption=None if args.corruption is None else read_corruption(args.corruption),
        radii=args.radii,
        title=f"Certified robustness: {title}",
        detailed=args.images,
        journal=journal,
        model_path=args.model or "MODEL.tflite",
        data_path=args.data or "DATA",
    )


def _needed(model: bytes | None) -> bytes:
    if model is None:
        raise CertifyError("--data of pictures or sounds needs --model, which says their size")
    return model


def _data_of(journal: str) -> str | None:
    """The digest of the data that a journal's plan names; None where it has no plan."""
    found = read_header(journal).get("plan", {}).get("data_sha256")
    return found if isinstance(found, str) else None


def _further(
    journals: Iterable[str], taken: set[str], about: str | None
) -> tuple[dict[str, Summary], list[Proofs]]:
    also: dict[str, Summary] = {}
    proofs: list[Proofs] = []
    for name, path in _named(journals):
        if name in taken:
            raise CertifyError(f"two journals are called {printable(name)}; name one: NAME={path}")
        taken.add(name)
        if is_proofs(path):
            proofs.append(read_proofs(name, path))
            continue
        if about is not None and _data_of(path) != about:
            raise CertifyError(f"--also {printable(path)} is about other inputs")
        also[name] = read_summary(path)
    return also, proofs
