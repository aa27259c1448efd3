import io
import sys

import pytest

from qrobust.terminal import parts, show

TABLE = """layer   operator  a long head indeed
-----  ---------  ------------------
conv1  Conv2D     8x8x16 [red]x[/red] and many more words than fit into one line
b      Dense"""
TEXT = f"before\n{TABLE}\n\n3 do not stand, 0 differ"


def test_tables_are_found_and_nothing_is_lost():
    found = list(parts(TEXT))
    assert found[0] == "before" and found[2:] == ["", "3 do not stand, 0 differ"]
    heads, rows = found[1]
    assert heads[0] == "layer" and [row[0] for row in rows] == ["conv1", "b"]
    assert rows[0][2].endswith("fit into one line") and rows[1][1:] == ["Dense", ""]
    assert list(parts("")) == [""] and list(parts("---\n---")) == ["---", "---"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def said(monkeypatch, stream, **environment):
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream)
    show(TEXT)
    return stream.getvalue()


def test_what_is_no_terminal_gets_the_text_as_it_is(monkeypatch):
    assert said(monkeypatch, io.StringIO()) == TEXT + "\n"
    assert said(monkeypatch, Terminal(), TERM="dumb") == TEXT + "\n"
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert said(monkeypatch, Terminal()) == TEXT + "\n"


def test_without_colour_tables_fit_all_the_same(monkeypatch):
    pytest.importorskip("rich")
    shown = said(monkeypatch, Terminal(), NO_COLOR="1", COLUMNS="40")
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) <= 40
    assert "3 do not stand" in shown


def test_in_a_terminal_tables_fit_and_verdicts_have_a_colour(monkeypatch):
    pytest.importorskip("rich")
    import re

    shown = said(monkeypatch, Terminal(), COLUMNS="40")
    assert "\x1b[1;31m3 do not stand\x1b[0m" in shown and "\x1b[32m0 differ\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 40
    words = lambda text: sorted(text.replace("-", "").split())  # noqa: E731
    assert words(plain) == words(TEXT)  # brackets in names are no markup
