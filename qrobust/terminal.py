"""Output for people: tables that fit the window and colour for verdicts, in a terminal only.

Where standard output is no terminal, ``TERM`` is ``dumb`` or Rich (the extra [terminal]) is not
installed, text is printed as it is: what scripts and tests read never changes. ``NO_COLOR`` takes
the colour and nothing else.
"""

import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

#: The rule below the heads of a table in tabulate's style "simple".
_RULE = re.compile(r"-+(?:  +-+)+ *")
_GOOD = r"\b(?:0 (?:do not stand|differ|refuted|broken)|meets the integer contract|fully integer)\b"
_BAD = (
    r"\b(?:[1-9][0-9,]* (?:do not stand|differ|broken)|outside the integer contract|"
    r"[1-9][0-9]* float tensors|not exact)\b"
)


def show(text: object) -> None:
    """Print text, in a terminal with tables that fit, lines cut at words, and coloured verdicts."""
    console = _console() if sys.stdout.isatty() else None
    if console is None:
        print(text)
        return
    for part in parts(str(text)):
        if isinstance(part, str):
            console.print(_coloured(part))
        else:
            console.print(_table(*part))


def parts(text: str) -> Iterator[str | tuple[list[str], list[list[str]]]]:
    """Yield lines, and tables as their heads and rows, in their order."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        if place + 1 == len(lines) or not _RULE.fullmatch(lines[place + 1]):
            yield lines[place]
            place += 1
            continue
        starts = [found.start() for found in re.finditer(r"(?<!-)-", lines[place + 1])]
        end = place + 2
        while end < len(lines) and lines[end].strip():
            end += 1
        yield (
            _cells(lines[place], starts),
            [_cells(line, starts) for line in lines[place + 2 : end]],
        )
        place = end


def _cells(line: str, starts: list[int]) -> list[str]:
    return [line[a:b].strip() for a, b in pairwise([*starts, len(line) + 1])]


def _console() -> Any:
    if os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(
        file=sys.stdout,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


def _coloured(line: str) -> Any:
    from rich.text import Text

    text = Text(line)
    text.highlight_regex(_GOOD, "green")
    text.highlight_regex(_BAD, "bold red")
    return text


def _table(heads: list[str], rows: list[list[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
