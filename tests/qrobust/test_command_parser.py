"""A mistake on the command line is one line; help that cannot be written is an error."""

import errno
import sys

import pytest

from qrobust import cli
from qrobust.certify import cli as certify_cli
from qrobust.command_examples import EXAMPLES

COMMANDS = [*(name for name in EXAMPLES if name != "qrobust"), "certify", "report", "audit"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["certify", "m", "d", "--n", "1e9"],
            "invalid int value: '1e9'; see qrobust certify --help",
        ),
        (["attack", "m", "d", "--epsilon", "x"], "--epsilon"),
        (["certify", "m", "d", "--nope"], "arguments: --nope; see qrobust certify --help"),
        (["nope"], "invalid choice: 'nope'"),
        ([], "see qrobust --help"),
        (["data", "inspect"], "see qrobust data inspect --help"),
        (["certify", "m", "d", "--n", "1\x1b[2J\n2"], r"\x1b[2J"),
        (["certify", "m", "d", "\x1b[2J"], r"unrecognized arguments: \x1b[2J"),
    ],
)
def test_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    out, errors = capsys.readouterr()
    (line,) = errors.splitlines()
    assert (ended.value.code, out) == (2, "")
    assert line.startswith("error: ") and says in line and line.isprintable()


def test_one_line_of_the_device(capsys):
    with pytest.raises(SystemExit) as ended:
        certify_cli.main(["m", "d", "--n", "1e9"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("see python -m qrobust.certify --help")


class Full:
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self):
        pass


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_that_nobody_got_is_no_success(command, monkeypatch):
    """argparse would end with 0."""
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space left"):
        cli.main([*([] if command is None else [command]), "--help"])


@pytest.mark.parametrize("line", ["[" * 200_000, '{"kind": ' + "9" * 5000 + "}", "\x1b[2J", ""])
@pytest.mark.parametrize("words", [["audit"], ["attack", "m.tflite", "d.npz", "--certificates"]])
def test_a_hostile_first_line_is_one_line(tmp_path, capsys, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "j").write_text(line)
    rest = [] if words == ["audit"] else ["--out", "r.json", "--surrogate", "m.keras"]
    extra = ["--offline"] if words == ["audit"] else []
    assert cli.main([*words, "j", *rest, *extra]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ")
    assert said.isprintable()


def test_a_package_that_the_parser_needs_is_named(monkeypatch, capsys):
    def parser():
        raise ModuleNotFoundError("none", name="ai_edge_litert")

    monkeypatch.setattr(cli, "_parser", parser)
    assert cli.main(["inspect", "m.tflite"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: 'ai_edge_litert' is not installed. pip install")
