"""The recorded standard worst case on the cards of models/: one number in the table and on a card.

    python benchmarks/worst_case_cards.py [--check]

Each network of docs/results/worst_case.json gets its row as a table of its ``summary.json`` and
``card.md``, in the place of what a card may still count there; nothing is attacked here.
With ``--check`` nothing is written, and the exit status is 1 where a card says something else. A
row of another file than the card's is refused.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import results

from qrobust.attacks.evaluation.standard_worst_case import STANDARD
from qrobust.training.publish.card import WORST_CASE, card
from qrobust.training.publish.summary import FILE, ModelSummary, Table, read_summary, write_summary
from tflite_export.atomic import write_text

MODELS = results.PROJECT / "models"
RESULTS = "worst_case"
#: Columns of the recorded rows -> what a card calls them.
SHOWN = {
    "right": "no attack",
    "APGD-CE": "APGD-CE",
    "APGD-T": "APGD-T",
    "Square-5000": "Square, 5,000 queries",
    "standard worst case": "all of them: the standard worst case",
}
_NOTE = (
    "Right and still right, of all images: L-inf, epsilon {epsilon:g} LSB, the first {of} test "
    "examples (SHA-256 {sha256}). Counted on the published file by "
    "`python benchmarks/worst_case.py`; docs/attacks.md has it beside an independent ensemble."
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where cards differ")
    check, differ = parser.parse_args().check, 0
    found = results.read(RESULTS, results.FOLDER)
    for row in found.counts:
        folder = MODELS / row["network"]
        before = read_summary(folder / FILE)
        after = with_row(before, table_of(row, found, folder, before), row["epsilon (LSB)"])
        if after != before:
            differ += 1
            print(f"{row['network']}: {'differs' if check else 'written'}")
        if after != before and not check:
            write_summary(after, folder / FILE)
            write_text(folder / "card.md", card(after))
    return int(check and differ > 0)


def table_of(row: Mapping[str, Any], found: Any, folder: Path, summary: ModelSummary) -> Table:
    """The card's table of a recorded row.

    Raises:
        SystemExit: the row is of another file than the summary.
    """
    file = (folder / "model.tflite").relative_to(results.PROJECT).as_posix()
    if summary.file is None or found.models.get(file) != summary.file.sha256:
        raise SystemExit(
            f"docs/results/{RESULTS}.json is about another {file} than its card: run "
            f"`python benchmarks/worst_case.py {row['network']} --record {RESULTS}` first"
        )
    images = row["right"]["of"]
    said = f"the first {images} test images for {row['network']}"
    return Table(
        WORST_CASE,
        "The standard worst case",
        ("attack", "right"),
        tuple((name, row[column]) for column, name in SHOWN.items()),
        _NOTE.format(epsilon=row["epsilon (LSB)"], of=images, sha256=found.data[said]),
    )


def with_row(summary: ModelSummary, table: Table, epsilon: float) -> ModelSummary:
    """The summary with this table in the place of an older one, behind all others.

    Counts in the same ball go, of fewer images, and so do those of attacks that did not include the
    suite, which were weaker: one number for one question.
    """
    others = tuple(one for one in summary.tables if one.name != WORST_CASE)
    whole = any(attack.attack == STANDARD for attack in summary.attacks)
    kept = tuple(attack for attack in summary.attacks if whole and attack.epsilon != epsilon)
    return replace(summary, attacks=kept, tables=(*others, table))


if __name__ == "__main__":
    sys.exit(main())
