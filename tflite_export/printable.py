"""Text from files is data: nothing in it reaches a terminal, a page or a table as a command."""

import re

#: What may open something in Markdown; within a word an underscore may not.
_MARKDOWN = re.compile(r"[\\`*{}\[\]()<>#+!|~&$]|(?<![^\W_])_|_(?![^\W_])")
#: Printable in Unicode's sense, and yet nothing is to be seen of them.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
#: Longer names are cut.
LONGEST = 200


def printable(text: object, longest: int = LONGEST) -> str:
    r"""Return text from a file with everything but visible characters and spaces escaped.

    ``"\x1b[2J"`` becomes the seven characters that Python's ``repr`` gives it, and so do
    bidirectional overrides, invisible letters, lone surrogates, tabs and line ends.

    Args:
        text: what the file says.
        longest: characters kept; the rest becomes an ellipsis.
    """
    whole = str(text)
    cut = whole[:longest]
    # Not printable in Unicode's sense: controls (ESC and C1 included), format characters
    # (bidirectional overrides), surrogates, private and unassigned code points, separators but " ".
    shown = "".join(c if c.isprintable() else _escaped(c) for c in cut)
    shown = _INVISIBLE.sub(lambda found: _escaped(found[0]), shown)
    return shown if len(whole) <= longest else shown + "…"


def one_line(error: BaseException) -> str:
    """Return an error's message as one `printable` line; its type's name where it says nothing."""
    return printable(" ".join(str(error).split()) or type(error).__name__, 10 * LONGEST)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def markdown(text: object, longest: int = LONGEST) -> str:
    """Return `printable` text that Markdown shows as it is, in tables too."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text, longest))
