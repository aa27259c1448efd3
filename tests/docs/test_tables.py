"""Tables of the documents: an empty line inside one makes text of the rows behind it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RULE = re.compile(r"\|[ :|-]+\|?")


def headless(text):
    """Numbers of the lines that begin a table without a rule below them; not those in code."""
    lines, code, found = text.splitlines(), False, []
    for number, (before, line, after) in enumerate(
        zip(["", *lines], lines, [*lines[1:], ""], strict=False), 1
    ):
        code ^= line.startswith("```")
        begins = line.startswith("|") and not before.startswith("|")
        if begins and not code and not _RULE.fullmatch(after):
            found.append(number)
    return found


def test_every_table_has_its_head():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = {str(page.relative_to(ROOT)): headless(page.read_text()) for page in pages}
    assert sum(len(page.read_text().split("|---")) > 1 for page in pages) > 5
    assert not {page: lines for page, lines in found.items() if lines}


def test_a_row_behind_an_empty_line_is_found():
    assert headless("| a |\n|---|\n| 1 |\n\n| 2 |\n```\n| c |\n```\n") == [5]
