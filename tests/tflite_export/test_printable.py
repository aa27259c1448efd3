import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_export.printable import markdown, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 3 µm", "plain text, 3 µm"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
        ("a\u200b\u3164\ufe0f\u2800\U000e0100", "a\\u200b\\u3164\\ufe0f\\u2800\\U000e0100"),
        (5, "5"),
    ],
)
def test_examples(text, shown):
    assert printable(text) == shown


def test_long_text_is_cut():
    assert printable("a" * 500, 10) == "a" * 10 + "…"


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_unseen_is_left(text):
    shown = printable(text, 10_000)
    assert all(c == " " or c.isprintable() for c in shown)
    assert not any(unicodedata.category(c).startswith("C") for c in shown)
    shown.encode()  # and a file takes it


def test_markdown_opens_nothing():
    text = "[x](http://a) <b> `c` | ![i](u) _e_ **b** ~~s~~ # $x$"
    shown = markdown(text)
    assert all(shown[i - 1] == "\\" for i, c in enumerate(shown) if c in "[]()<>`|!_*~#$")


def test_an_error_is_one_line():
    assert one_line(ValueError("a\nb\x1b[2J")) == "a b\\x1b[2J"
    assert one_line(MemoryError()) == "MemoryError"
